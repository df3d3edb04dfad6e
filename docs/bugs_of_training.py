"""Writes the table of docs/training.md: bugs that people reported of training, what tells of each, and what helps.

python docs/bugs_of_training.py [RUN]     # a quarter of an hour; five environments

Runs the cells of tests/integration/bugs_of_training into an empty store, or reads the folder of a run of theirs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from marks import replace_between  # noqa: E402  (the checkout comes first)
from tfmatrix.analysis.losses import losses  # noqa: E402
from tfmatrix.checks.registry import checks  # noqa: E402
from tfmatrix.core.records import CellRecord  # noqa: E402
from tfmatrix.core.status import Status  # noqa: E402
from tfmatrix.store.runs import Run, read_run, read_run_folder  # noqa: E402

PAGE = ROOT / "docs" / "training.md"
PROJECT = ROOT / "tests" / "integration" / "bugs_of_training"
BEGIN, END = "<!-- bugs: written by docs/bugs_of_training.py -->", "<!-- end of bugs -->"


def measured() -> Run:
    """A run of the cells."""
    with tempfile.TemporaryDirectory(prefix="tfmatrix-bugs-") as name:
        folder = Path(name) / "project"
        shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("results", "__pycache__"))
        shutil.copytree(ROOT / "locks", folder / "locks", dirs_exist_ok=True)
        chosen = ["--only", f"@{folder / 'cells.txt'}", "--executor", "venv", "--jobs", "1", "--yes", "--quiet"]
        command = [sys.executable, "-m", "tfmatrix", "run", "-C", str(folder), *chosen]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if done.returncode not in (0, 1):
            raise SystemExit(done.returncode)
        return read_run(folder / "results")


def listed(run: Run) -> Sequence[CellRecord]:
    """The records in the order in which cells.txt names the scenarios."""
    lines = (PROJECT / "cells.txt").read_text(encoding="utf-8").split()
    places = [line.partition("/")[0] for line in lines]
    return sorted(run.records, key=lambda each: places.index(each.scenario))


def row(record: CellRecord) -> str:
    """One cell: what differs, where from, and which remedies bring all of it back."""
    cell = f"`{record.cell}`"
    if record.status is Status.PASS:
        return f"| {cell} | {_noted(record) or 'nothing'} | – | – |"
    by = ", ".join(((record.attribution or {}).get("training") or {}).get("by") or ()) or _share(record)
    failed = set(record.failed_checks)
    helping = [each["name"] for each in record.remedies if failed <= set(each["held"])]
    trains = [each["name"] for each in record.remedies if failed - {"signatures"} <= set(each["held"])]
    said = [each for each in losses(record) if not each.startswith("signatures: ")] + _served(record)
    remedies = "; ".join(map(_code, helping or trains)) + (
        " (but for what is served)" if trains and not helping else ""
    )
    return f"| {cell} | {'; '.join(said)} | {by} | {remedies or 'none of those tried'} |"


def _served(record: CellRecord) -> list[str]:
    """The names and shapes of signatures that changed."""
    found = []
    for side in ("input", "output"):
        names = {
            code: [str(each.figures["name"]) for each in record.findings("signatures") if each.code == f"{side}-{code}"]
            for code in ("missing", "new")
        }
        if names["missing"] or names["new"]:
            before, after = (", ".join(f"`{name}`" for name in names[code]) for code in ("missing", "new"))
            found.append(f"served {side}s {before} → {after}")
    return found


def _noted(record: CellRecord) -> str:
    """What a cell that passes says of random numbers."""
    return "; ".join(
        checks()[name].sentence(each)
        for name in ("resume", "learning")
        for each in record.findings(name)
        if each.code in ("seed", "silent", "numbers")
    )


def _share(record: CellRecord) -> str:
    attribution = record.attribution or {}
    return (
        ", ".join(name for name in ("serialization", "numerics") if (attribution.get(name) or {}).get("found")) or "–"
    )


def _code(name: str) -> str:
    return re.sub(r"^(\S+)$", r"`\1`", name)


def table(run: Run) -> str:
    """The block of the page."""
    head = ["| cell | what differs | booked to | what brings it back, tried |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *map(row, listed(run))])


def main() -> None:
    """Replaces the block between the two marks."""
    run = read_run_folder(Path(sys.argv[1])) if len(sys.argv) > 1 else measured()
    replace_between(PAGE, BEGIN, END, table(run))


if __name__ == "__main__":
    main()
