"""The commonest causes of a run: what a person tries first, what is recommended, and what either brings back.

    python benchmarks/remedies.py RUN [--most 20]

RUN is a run's folder, or an archive such as results/published/nightly. Reads records only. "Tried first" is the first
of the tries in the order of `tfmatrix/worker/remedies`; "recommended" is what most cells of the cause are offered. Of
either it says in how many cells it was tried, and which checks of those held and which did not.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.analysis.causes import Cause, find_causes  # noqa: E402  (the checkout must be on the path first)
from tfmatrix.core.records import CellRecord  # noqa: E402
from tfmatrix.store.runs import read_run_folder  # noqa: E402
from tfmatrix.worker.remedies import remedies  # noqa: E402

ORDER = {module.NAME: module.ORDER for module in remedies().values()}
"""Combinations and other formats come behind single remedies, as the tries do."""
BEHIND = 70
PLACED = {module.NAME: module.place for module in remedies().values() if hasattr(module, "place")}


def first_tried(record: CellRecord) -> str:
    """The name of the first try that is no other format, by the order of the remedies."""
    names = [str(each["name"]) for each in record.remedies if not str(each["name"]).startswith("save as ")]
    cell = SimpleNamespace(error=str((record.error or {}).get("message", "")))
    return min(names, key=lambda name: PLACED[name](cell) if name in PLACED else ORDER.get(name, BEHIND), default="")


def outcome(name: str, records: Iterable[CellRecord]) -> str:
    """What a remedy brings back of these cells, where it was tried."""
    tries: list[Mapping[str, Any]] = [each for record in records for each in record.remedies if each["name"] == name]
    if not name or not tries:
        return ""
    whole = [each for each in tries if each["status"] == "pass"]
    if len(whole) == len(tries):
        return f"everything, in {_cells(len(tries))}"
    rest = [each for each in tries if each["status"] != "pass"]
    # Older records do not name the checks of every try.
    told = [
        f"everything in {len(whole)} of {_cells(len(tries))}" if whole else f"not everything in any of {len(tries)}"
    ]
    for key, negation in (("held", ""), ("missing", "not ")):
        counts = Counter(check for each in rest for check in each.get(key) or ())
        told += [f"{negation}{check} in {count}" for check, count in counts.items()]
    return ", ".join(told)


def rows(causes: Sequence[Cause], records: Mapping[str, CellRecord]) -> Iterable[tuple[str, ...]]:
    """A row a cause."""
    for place, cause in enumerate(causes, 1):
        cells = [records[cell] for cell in cause.cells]
        firsts = Counter(filter(None, map(first_tried, cells)))
        first = max(firsts, key=lambda name: (firsts[name], -ORDER.get(name, BEHIND)), default="")
        advised = cause.remedy.name if cause.remedy is not None else ""
        yield (
            str(place),
            cause.title,
            cause.status.value,
            str(len(cells)),
            first or "nothing fits",
            outcome(first, cells),
            advised or "none",
            outcome(advised, cells) if advised != first else "the same",
        )


def _cells(count: int) -> str:
    return f"{count} cell{'s' if count != 1 else ''}"


def main() -> None:
    """Prints the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--most", type=int, default=20)
    options = parser.parse_args()
    run = read_run_folder(options.run)
    causes = sorted(find_causes(run), key=lambda cause: (-len(cause.cells), cause.title))[: options.most]
    head = ("", "cause", "status", "cells", "tried first", "brings back", "recommended", "brings back")
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for row in rows(causes, {record.cell: record for record in run.records}):
        print(f"| {' | '.join(text.replace('|', '/') for text in row)} |")


if __name__ == "__main__":
    main()
