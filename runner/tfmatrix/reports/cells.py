"""What stands in a cell of a table, and the legend that explains it. No status is told by colour alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tfmatrix.analysis.records import delta
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.core.text import Code, Inline, number, one_line

# A cell of one scenario and format; that of the overview begins with a symbol, and its figure is a count.
_DRIFT_WITH_FIGURE = re.compile(r"drift (\d|nan|inf)")

KNOWN, FIXED, FLAKY, PROMISED, REMEDY = "*", "!", "~", "†", "✗→✓"
_MARKS: Mapping[str, str] = {
    KNOWN: "known: listed in known_failures.yaml; behind a count: all of them are",
    FIXED: "fixed: listed in known_failures.yaml, but passes now",
    FLAKY: "flaky: two tries disagreed",
    PROMISED: "promised: TensorFlow's version policy says that this works",
}


def named(status: Status) -> str:
    """A status with its symbol: `✗ drift`; the symbol alone where that is the status (`✓`, `–`)."""
    symbol = status.symbol
    return symbol if status in (Status.PASS, Status.UNSUPPORTED) else f"{symbol} {status.value}"


def cell_lines(record: CellRecord) -> tuple[str, ...]:
    """A cell as lines: status with figure and marks, then the failed checks, then the remedy that works."""
    is_symbol = record.status in (Status.PASS, Status.UNSUPPORTED)
    text = record.status.symbol if is_symbol else record.status.value
    lines = []
    difference = delta(record)
    if record.status is Status.DRIFT and difference is not None:
        text += f" {number(difference)}"
    elif record.status is Status.DRIFT and record.failed_checks:
        first, *others = record.failed_checks
        lines.append(one_line(first, 20) + (f"+{len(others)}" if others else ""))
    if record.remedy:
        lines.append(f"{REMEDY} {one_line(record.remedy, 40)}")
    return (text + marks(record), *lines)


def marks(record: CellRecord) -> str:
    """The marks of a cell. A promise is marked where it is broken: on every cell it would say nothing."""
    flags = {
        KNOWN: record.known,
        FIXED: record.fixed,
        FLAKY: record.flaky,
        PROMISED: record.promised and record.status.is_incompatibility,
    }
    return "".join(mark for mark, is_set in flags.items() if is_set)


def counted(records: Sequence[CellRecord]) -> str:
    """Counts by status, the worst first: `✗ drift 3* · ✓ 9`. The star says that all of them are known."""
    counts = Counter(record.status for record in records)
    unknown = {record.status for record in records if not record.known}
    return " · ".join(
        f"{named(status)} {counts[status]}" + ("" if status in unknown else KNOWN)
        for status in WORST_FIRST
        if counts[status]
    )


def counted_lines(records: Sequence[CellRecord]) -> tuple[str, ...]:
    """The same for narrow columns: counts by symbol, then the name of the worst status: `✗3 ✓9`, `drift`."""
    by_symbol: dict[str, list[CellRecord]] = {}
    for record in sorted(records, key=lambda record: WORST_FIRST.index(record.status)):
        by_symbol.setdefault(record.status.symbol, []).append(record)
    first = " ".join(
        f"{symbol}{len(group)}" + (KNOWN if all(record.known for record in group) else "")
        for symbol, group in by_symbol.items()
    )
    worst = min((record.status for record in records), key=WORST_FIRST.index)
    return (first, worst.value) if worst.is_incompatibility or worst is Status.INFRA_ERROR else (first,)


def legend(records: Iterable[CellRecord], shown: Sequence[str]) -> tuple[Inline, ...]:
    """Explains the statuses of the records, and the marks in `shown`, the texts of the tables' cells."""
    present = {record.status for record in records}
    lines: list[Inline] = []
    for status in WORST_FIRST:
        if status not in present:
            continue
        meaning = status.meaning
        if status is Status.DRIFT and any(_DRIFT_WITH_FIGURE.match(text) for text in shown):
            meaning += "; the figure is the largest absolute difference of the outputs"
        lines.append((Code(status.symbol), f" {status.value}: {meaning}"))
    # The remedy has its own explanation, and its name may hold any character.
    statuses = "".join(text.split(REMEDY, maxsplit=1)[0] for text in shown)
    lines.extend((Code(mark), f" {meaning}") for mark, meaning in _MARKS.items() if mark in statuses)
    if any(REMEDY in text for text in shown):
        lines.append((Code(f"{REMEDY} NAME"), " fails as it is, and passes with this remedy"))
    if "" in shown:
        lines.append(("an empty cell is not part of this run",))
    return tuple(lines)
