"""Whether two runs agree, cell by cell: statuses, failed checks, every figure of every check, and warnings.

    python benchmarks/agreement.py RUN RUN        # folders of runs, or of archives

Warnings agree that have the same side (save or load), phase, channel, category, count and normalised text. Normalised,
as in the catalogue of warnings (`tfmatrix.checks.fingerprint`): without paths, lines in sources, addresses, dates and
times, durations, process ids, temporary names, counters behind names, and whole configurations.

Both must have been measured apart, each into its own store: a figure read twice from one store agrees with itself. What
either inferred has no figures: of these cells the statuses alone are compared.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.core.records import CellRecord  # noqa: E402  (the checkout must be on the path first)
from tfmatrix.store.runs import Run, read_run_folder  # noqa: E402


def differences(one: CellRecord, other: CellRecord) -> list[str]:
    """What of a cell differs: "status", "failed_checks", "CHECK.FIGURE", or "warnings SIDE PHASE". Texts of errors do
    not count: they hold addresses and times."""
    if one.status is not other.status:
        return [f"status {one.status.value}/{other.status.value}"]
    found = ["failed_checks"] if one.failed_checks != other.failed_checks else []
    for name in sorted(one.checks.keys() | other.checks.keys()):
        if name == "warnings":
            continue
        here, there = (figures(record.checks.get(name, {})) for record in (one, other))
        found += [f"{name}.{key}" for key in sorted(here.keys() | there.keys()) if here.get(key) != there.get(key)]
    said, other_said = warnings(one), warnings(other)
    return found + sorted({f"warnings {side} {phase}" for (side, phase, *_), _ in said.items() ^ other_said.items()})


def warnings(record: CellRecord) -> dict[tuple[str, ...], int]:
    """Side, phase, channel, category and normalised text of what saving and loading said, to how often."""
    found: Counter[tuple[str, ...]] = Counter()
    for side, outcome in (("save", record.save), ("load", record.load)):
        for each in outcome.get("warnings", ()):
            kind = (side, each["phase"], each["channel"], each["category"], each["text"])
            found[kind] += each["count"]
    return dict(found)


def figures(check: Any) -> dict[str, Any]:
    """The figures of a check without its sentences."""
    return {key: value for key, value in check.items() if key not in ("findings", "detail", "seconds")}


def compare(one: Run, other: Run) -> int:
    """Prints how far they agree; returns how many cells differ."""
    records = [{record.cell: record for record in run.records} for run in (one, other)]
    shared = sorted(records[0].keys() & records[1].keys())
    measured = [cell for cell in shared if all(each[cell].inferred is None for each in records)]
    differing = {cell: found for cell in measured if (found := differences(records[0][cell], records[1][cell]))}
    for cell in set(shared) - set(measured):
        one_status, other_status = (each[cell].status for each in records)
        if one_status is not other_status:
            differing[cell] = [f"status {one_status.value}/{other_status.value}"]
    kinds = Counter(kind for found in differing.values() for kind in found)
    cached = sum(records[0][cell].cached and records[1][cell].cached for cell in shared)
    print(f"cells in both            {len(shared)}")
    print(f"measured in both         {len(measured)}")
    print(f"cells in one only        {len(records[0].keys() ^ records[1].keys())}")
    print(
        f"statuses differ          {sum(kind.startswith('status') for found in differing.values() for kind in found)}"
    )
    print(f"figures or checks differ {sum(not found[0].startswith('status') for found in differing.values())}")
    print(f"from a store in both     {cached}")
    for kind, count in kinds.most_common():
        print(f"  {count:>5} {kind}")
    for cell, found in differing.items():
        print(f"differs: {cell}: {', '.join(found)}", file=sys.stderr)
    return len(differing)


def main() -> int:
    """Exit code 1 where any cell differs or is in one run only."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs=2, type=Path)
    one, other = (read_run_folder(path) for path in parser.parse_args().runs)
    differing = compare(one, other)
    return 1 if differing or {record.cell for record in one.records} != {each.cell for each in other.records} else 0


if __name__ == "__main__":
    raise SystemExit(main())
