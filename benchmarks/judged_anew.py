"""Which cells of an older run have another verdict, cause or remedy in a newer one, and why.

    python benchmarks/judged_anew.py results/published/nightly RUN [--cells] [--no-remedies]

Both are folders of runs or archives; compared are the cells that RUN has. Causes of both are those of the present code,
so that a cause differs where what was found does. Changes that are the same are one row, with their number; `--cells`
lists each cell, `--no-remedies` leaves remedies out. "Why" is read off the records: the checks that fail now, or do not
any more, with their findings, and the remedies that were tried on one side only. A cell that RUN inferred has no
remedies and no findings of its own: its verdict and its cause are compared.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "runner"))

from tfmatrix.analysis.causes import find_causes  # noqa: E402  (the checkout must be on the path first)
from tfmatrix.core.records import CellRecord  # noqa: E402
from tfmatrix.core.text import one_line  # noqa: E402
from tfmatrix.store.runs import Run, read_run_folder  # noqa: E402


def causes_of(run: Run) -> Mapping[str, str]:
    """Cell to the titles of its causes."""
    found: dict[str, list[str]] = {}
    for cause in find_causes(run):
        for cell in cause.cells:
            found.setdefault(cell, []).append(cause.title)
    return {cell: "; ".join(sorted(titles)) for cell, titles in found.items()}


def why(before: CellRecord, after: CellRecord, *, of_remedies: bool) -> Iterator[str]:
    """What the two records hold that explains the change."""
    for name in before.failed_checks:
        if name not in after.failed_checks and name in after.checks:
            check = after.checks[name]
            said = [f"notation: {', '.join(check['notation'])}"] if check.get("notation") else check.get("detail") or []
            yield f"{name} fails no more ({one_line('; '.join(said[:2]) or 'it holds', 160)})"
    for name in after.failed_checks:
        detail = after.checks.get(name, {}).get("detail") or []
        if name not in before.failed_checks:
            yield f"{name} fails now ({one_line('; '.join(detail[:2]), 200)})"
        elif after.inferred is None and _codes(before, name) != _codes(after, name):
            yield f"{name} finds {', '.join(sorted(_codes(after, name)))}"
    if of_remedies and before.remedy != after.remedy:
        old, new = ({str(each["name"]) for each in record.remedies} for record in (before, after))
        if new - old:
            yield f"tried now: {', '.join(sorted(new - old))}"
        if old - new:
            yield f"not tried any more: {', '.join(sorted(old - new))}"
        if new == old:
            yield "the same tries in another order"


def _codes(record: CellRecord, check: str) -> set[str]:
    return {each.code for each in record.findings(check)}


def main() -> None:
    """Prints the changes as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--cells", action="store_true", help="list each cell")
    parser.add_argument("--no-remedies", action="store_true", help="of a newer run that tried none")
    options = parser.parse_args()
    before, after = read_run_folder(options.before), read_run_folder(options.after)
    old, new = causes_of(before), causes_of(after)
    known = {record.cell: record for record in before.records}
    kinds = ("verdict", "cause") if options.no_remedies else ("verdict", "cause", "remedy")
    rows: dict[tuple[str, ...], list[str]] = {}
    counts: Counter[str] = Counter()
    for record in after.records:
        was = known.get(record.cell)
        if was is None:
            continue
        counts["compared"] += 1
        verdicts = (was.status.value, record.status.value)
        causes = (old.get(record.cell, ""), new.get(record.cell, ""))
        remedies = (was.remedy or "none", record.remedy or "none")
        if record.inferred is not None:
            counts["inferred"] += 1
            remedies = (remedies[0], remedies[0])
        every = {"verdict": verdicts, "cause": causes, "remedy": remedies}
        compared = {kind: every[kind] for kind in kinds}
        changed = [kind for kind, (one, other) in compared.items() if one != other]
        counts.update(changed)
        if not changed:
            counts["unchanged"] += 1
            continue
        told = [f"{one} → {other}" if one != other else one for one, other in compared.values()]
        reasons = "; ".join(why(was, record, of_remedies=not options.no_remedies))
        rows.setdefault((", ".join(changed), *told, reasons), []).append(record.cell)
    own = [record for record in after.records if record.writer == record.reader]
    notation = [
        record.cell
        for record in own
        if record.failed_checks and all(record.checks.get(name, {}).get("notation") for name in record.failed_checks)
    ]
    print(
        f"{counts['compared']} cells compared, {counts['inferred']} of them inferred now; "
        f"{counts['unchanged']} unchanged: " + ", ".join(f"{counts[kind]} with another {kind}" for kind in kinds)
    )
    print(f"{len(own)} of a version's own files, {len(notation)} of them fail by notation alone\n")
    head = ("cells", "changed", *kinds, "why")
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for row, cells in sorted(rows.items(), key=lambda item: (item[0][0], -len(item[1]))):
        named = (
            ", ".join(cells) if options.cells else f"{len(cells)}, such as {cells[0]}" if len(cells) > 1 else cells[0]
        )
        print(f"| {named} | {' | '.join(text.replace('|', '/') for text in row)} |")


if __name__ == "__main__":
    main()
