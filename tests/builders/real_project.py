"""Projects on real TensorFlow: the checkout's locks and scenarios in a folder of the test's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repository import ROOT

DENSE = '''"""A dense layer."""
import tensorflow as tf

FORMATS = ("h5", "keras", "savedmodel")


def build_model():
    return tf.keras.Sequential([tf.keras.layers.Dense(100, input_shape=(1000,))])


def inputs(rng):
    return rng.uniform(size=(4, 1000)).astype("float32")
'''
"""A scenario that is quick to save and to load, in three formats."""


def wait_until(condition: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    """While a run goes on; one that ends before fails the test with what it said."""
    deadline = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "not within five minutes"
        time.sleep(0.05)


def statuses(answer: str) -> dict[str, str]:
    """Those of `run --json`, by cell id."""
    return {each["cell"]: each["status"] for each in json.loads(answer)["cells"]}


@dataclass(frozen=True)
class Finished:
    """What a command came to."""

    code: int
    stdout: str
    stderr: str

    def cells(self) -> dict[str, dict]:
        """The records of `run --json`, by cell id."""
        return {record["cell"]: record for record in json.loads(self.stdout)["cells"]}


class RealProject:
    """A project folder whose environments are those of the checkout, by id; `2.16.2+keras3.0.5` pins Keras itself."""

    def __init__(self, root: Path, environments: Iterable[str], scenarios: Iterable[str], settings: str = "") -> None:
        self.root = root
        (root / "locks").mkdir(parents=True)
        (root / "scenarios").mkdir()
        lines = ["schema: 1", "environments:"]
        for name in environments:
            tensorflow, _, keras = name.partition("+keras")
            pinned = f', keras: "{keras}", as_of: today, id: "{name}"' if keras else ""
            lines.append(f'  - {{tensorflow: "{tensorflow}", python: "3.11"{pinned}}}')
            lock = ROOT / "locks" / f"{name}.txt"
            # One that the checkout has no lock for is locked on first use.
            if lock.exists():
                shutil.copy(lock, root / "locks")
        (root / "matrix.yaml").write_text("\n".join(lines) + "\n" + textwrap.dedent(settings))
        for name in scenarios:
            shutil.copy(ROOT / "scenarios" / f"{name}.py", root / "scenarios")

    @classmethod
    def copied(cls, folder: Path, root: Path) -> RealProject:
        """A folder that is a project already, without what was measured in it, and with the checkout's locks."""
        shutil.copytree(folder, root, ignore=shutil.ignore_patterns("results", "__pycache__"))
        shutil.copytree(ROOT / "locks", root / "locks", dirs_exist_ok=True)
        found = cls.__new__(cls)
        found.root = root
        return found

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tfmatrix", *arguments, "-C", str(self.root)]

    def tfmatrix(self, *arguments: str, **environ: str) -> Finished:
        """Runs a command in a process of its own, as a user would."""
        process = subprocess.run(
            self.command(*arguments),
            cwd=ROOT,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        return Finished(process.returncode, process.stdout, process.stderr)
