"""What a command costs before it works: processor time of its start, against that of an empty Python.

    python benchmarks/start.py [--repeat 5] [--importtime]

Makes a small project with two finished runs in a temporary folder and starts each command in it, `--repeat` times; the
least of user + system seconds counts, since other programs only ever add to it. `report` includes pandas, which its
table is made with. `--importtime` lists the slowest imports of each command besides.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.core.records import CellRecord  # noqa: E402  (the checkout must be on the path first)
from tfmatrix.core.status import Status  # noqa: E402
from tfmatrix.store.runs import RunWriter  # noqa: E402

COMMANDS = (
    "--help",
    "plan --help",
    "plan --nonsense",
    "plan",
    "diff",
    "report --format json",
    "report",
    "explain dense/h5/a/b",
    "upgrade --from-git HEAD",
)


def make_project(root: Path) -> None:
    """A scenario, pins under git, and two runs of one cell."""
    (root / "matrix.yaml").write_text('schema: 1\nenvironments: [{tensorflow: "2.15.1"}, {tensorflow: "2.21.0"}]\n')
    (root / "requirements.txt").write_text("tensorflow==2.15.1\n")
    (root / "scenarios").mkdir()
    (root / "scenarios" / "dense.py").write_text(
        '"""A dense layer."""\nimport tensorflow as tf\n'
        "def build_model(): return tf.keras.Sequential()\ndef inputs(rng): return rng.rand(2)\n"
    )
    for day, (run, status) in enumerate({"one": Status.PASS, "two": Status.TIMEOUT}.items(), 1):
        header = {"started": f"2026-01-0{day}T00:00:00+00:00", "environments": {"a": {}, "b": {}}, "scenarios": {}}
        header |= {"formats": [], "executor": {"name": "fake", "reason": ""}, "known_failures": [], "set": None}
        cell = {"cell": "dense/h5/a/b", "scenario": "dense", "format": "h5", "writer": "a", "reader": "b"}
        with RunWriter(root / "results", run, header | {"tfmatrix": "0"}) as writer:
            writer.add(CellRecord(run=run, status=status, **cell))
            writer.finish(datetime(2026, 1, day, tzinfo=UTC))
    git = ["git", "-C", str(root), "-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for arguments in (["init", "-q"], ["add", "requirements.txt"], ["commit", "-q", "-m", "pins"]):
        subprocess.run([*git, *arguments], check=True)


def processor_seconds(command: list[str], folder: Path, repeat: int) -> float:
    """The least of user + system seconds of a process and its children over `repeat` starts."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "runner")}
    spent = []
    for _ in range(repeat):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def slowest_imports(command: list[str], folder: Path, count: int = 8) -> list[str]:
    """Lines of `-X importtime` with the most time of their own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "runner"), "PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:") and "[us]" not in line]
    return sorted(lines, key=lambda line: -int(line.split(":")[1].split("|")[0]))[:count]


def main() -> None:
    """Prints a line a command: seconds, and how often an empty Python fits in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--importtime", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_project(folder)
        empty = processor_seconds([sys.executable, "-c", "pass"], folder, options.repeat)
        print(f"{'empty Python':<26}{empty:6.2f} s")
        for command in COMMANDS:
            line = [sys.executable, "-m", "tfmatrix", *command.split()]
            seconds = processor_seconds(line, folder, options.repeat)
            print(f"{command:<26}{seconds:6.2f} s  {seconds / empty:5.1f} ×", flush=True)
            if options.importtime:
                print("\n".join(slowest_imports(line, folder)))


if __name__ == "__main__":
    main()
