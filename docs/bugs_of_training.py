"""Writes the table of docs/training.md: bugs that people reported of training, what tells of each, and what helps.

python docs/bugs_of_training.py     # some minutes; five environments

Runs the cells of tests/integration/bugs_of_training, into an empty store.
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

from tfmatrix.analysis.losses import losses  # noqa: E402  (the checkout comes first)
from tfmatrix.core.records import CellRecord, Try  # noqa: E402
from tfmatrix.core.status import Status  # noqa: E402
from tfmatrix.store.content import write_atomically  # noqa: E402
from tfmatrix.store.runs import read_run_folder  # noqa: E402

PAGE = ROOT / "docs" / "training.md"
PROJECT = ROOT / "tests" / "integration" / "bugs_of_training"
BEGIN, END = "<!-- bugs: written by docs/bugs_of_training.py -->", "<!-- end of bugs -->"


def measured() -> Sequence[CellRecord]:
    """The records of the cells, in the order of cells.txt's scenarios."""
    with tempfile.TemporaryDirectory(prefix="tfmatrix-bugs-") as name:
        folder = Path(name) / "project"
        shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("results", "__pycache__"))
        shutil.copytree(ROOT / "locks", folder / "locks", dirs_exist_ok=True)
        chosen = ["--only", f"@{folder / 'cells.txt'}", "--executor", "venv", "--jobs", "1", "--yes", "--quiet"]
        command = [sys.executable, "-m", "tfmatrix", "run", "-C", str(folder), *chosen]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if done.returncode not in (0, 1):
            raise SystemExit(done.returncode)
        records = {each.cell: each for each in read_run_folder(folder / "results" / "latest").records}
        places = [line.partition("/")[0] for line in (folder / "cells.txt").read_text().split()]
        return sorted(records.values(), key=lambda each: places.index(each.scenario))


def row(record: CellRecord) -> str:
    """One cell: what differs, where from, and which remedies bring all of it back."""
    if record.status is Status.PASS:
        said = _noted(record) or "nothing differs"
        return f"| {record.cell} | {said} | – | – |"
    by = ", ".join(((record.attribution or {}).get("training") or {}).get("by") or ()) or _share(record)
    found = [Try.from_json(each) for each in record.remedies]
    helping = [each.name for each in found if set(record.failed_checks) <= set(each.held)]
    partly = [
        f"{each.name} (but {', '.join(sorted(set(record.failed_checks) - set(each.held)))})"
        for each in found
        if set(record.failed_checks) & set(each.held) and each.name not in helping
    ]
    remedies = "; ".join(map(_code, helping)) or ("; ".join(map(_code, partly)) if partly else "none that was tried")
    return f"| {record.cell} | {'; '.join(losses(record))} | {by} | {remedies} |".replace("\n", " ")


def _noted(record: CellRecord) -> str:
    """What a cell that passes says beside."""
    return "; ".join(
        f"{name}: {said}"
        for name in ("resume", "learning")
        for said in (record.checks.get(name) or {}).get("detail") or ()
    )


def _share(record: CellRecord) -> str:
    attribution = record.attribution or {}
    return (
        ", ".join(name for name in ("serialization", "numerics") if (attribution.get(name) or {}).get("found")) or "–"
    )


def _code(name: str) -> str:
    return re.sub(r"^(\S+)$", r"`\1`", name)


def table() -> str:
    """The block of the page."""
    head = ["| cell | what differs | booked to | what brings it back, tried |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *map(row, measured())])


def main() -> None:
    """Replaces the block between the two marks."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    write_atomically(PAGE, f"{before}{BEGIN}\n{table()}\n{END}{after}")


if __name__ == "__main__":
    main()
