"""A night in which nothing changed: `python benchmarks/no_change.py [CELLS] [--profile FILE]`.

Measures about CELLS cells (10,000) of ten environments with workers that only copy synthetic observations, then runs
the same again: all of it comes from the store. Prints processor seconds of both. Every fourth load raises, every fourth
drifts, and each says what loaders say: records are as large as real ones.
"""

from __future__ import annotations

import argparse
import cProfile
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "runner"), str(ROOT / "tests" / "builders")]

import numpy as np  # noqa: E402  (the checkout must be on the path first)
from fakes import FakeExecutor  # noqa: E402
from observation_builder import trained  # noqa: E402
from tfmatrix.engine.run import RunOptions, run_project  # noqa: E402
from tfmatrix.project.project import Project  # noqa: E402
from tfmatrix.store.runs import Run  # noqa: E402

VERSIONS = tuple(f"2.{minor}.1" for minor in range(12, 22))
FORMATS = ("h5", "keras", "savedmodel")
SCENARIO = '''"""Model {number}."""
import tensorflow as tf
FORMATS = {formats}
def build_model(): ...
def inputs(rng): ...
'''
HDF5 = b"\x89HDF\r\n\x1a\n"
WARNINGS = [
    {
        "phase": phase,
        "channel": "python",
        "category": "UserWarning",
        "message": f"Skipping variable loading for optimizer 'Adam' of /tmp/model, variable {number} at 0x7f{number}",
        "count": 1,
    }
    for number in range(10, 13)
    for phase in ("load", "resume")
]
TRACEBACK = "\n".join(
    f'  File "/site-packages/keras/module_{number}.py", line {number}, in call' for number in range(25)
)


class Copies:
    """The jobs of workers: every save leaves an artifact of its own, every load one of a few observations."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for number in range(4):
            draft = trained()
            draft.outputs[""] = draft.outputs[""] + np.float32(0.1 * max(0, number - 2))
            (folder / str(number)).mkdir()
            draft.write(folder / str(number))

    def run(self, environment: str, job: dict[str, Any]) -> dict[str, Any]:
        """The result of a job."""
        result = {"status": "ok", "phase": None, "reason": None, "error": None, "warnings": WARNINGS}
        result |= {"seconds": {"load": 0.1, "observe": 0.1, "resume": 0.2}, "artifact": False, "observation": True}
        kind, number = 0, hash((environment, job.get("artifact"), job["scenario"])) % 4
        if job["kind"] == "save":
            path = Path(job["folder"]) / "artifact" / job["format"]["artifact"]
            path.parent.mkdir(parents=True)
            path.write_bytes(HDF5 + f"{job['scenario']} {environment} {job['format']}".encode())
            result["artifact"] = True
        elif number == 1:
            error = {"type": "ValueError", "message": "Unknown layer: 'Mine'", "traceback": TRACEBACK}
            return result | {"status": "error", "phase": "load", "error": error, "observation": False}
        else:
            kind = number
        shutil.copytree(self._folder / str(kind), Path(job["folder"]) / "observation")
        return result


def run(root: Path, executor: FakeExecutor) -> Run:
    """A run of the project with that executor."""
    with mock.patch("tfmatrix.executors.choose.open_executor", return_value=(executor, "a benchmark")):
        return run_project(Project(root=root), options=RunOptions(remedies=False, quiet=True))[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cells", nargs="?", type=int, default=10_000)
    parser.add_argument("--profile", type=Path, help="write the second run's profile to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tfmatrix-bench-") as name:
        root = Path(name)
        (root / "scenarios").mkdir()
        for number in range(max(1, round(options.cells / (len(VERSIONS) ** 2 * len(FORMATS))))):
            (root / "scenarios" / f"model_{number}.py").write_text(SCENARIO.format(number=number, formats=FORMATS))
        rows = "".join(f'  - {{tensorflow: "{version}", python: "3.11"}}\n' for version in VERSIONS)
        (root / "matrix.yaml").write_text(f"schema: 1\nenvironments:\n{rows}formats: [{', '.join(FORMATS)}]\n")
        (root / "copies").mkdir()
        executor = FakeExecutor(job=Copies(root / "copies").run)

        begun = time.process_time()
        first = run(root, executor)
        print(f"cells            {len(first.records)}")
        print(f"first run        {time.process_time() - begun:.1f} processor seconds, without any work of a worker")

        profile = cProfile.Profile()
        begun, wall = time.process_time(), time.monotonic()
        if options.profile is not None:
            profile.enable()
        second = run(root, executor)
        profile.disable()
        print(f"second run       {time.process_time() - begun:.1f} processor seconds, {time.monotonic() - wall:.1f} s")
        print(f"from the store   {sum(record.cached for record in second.records)}")
        if options.profile is not None:
            profile.dump_stats(options.profile)


if __name__ == "__main__":
    main()
