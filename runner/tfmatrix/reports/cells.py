"""What stands in a cell of a table, and the legend that explains it. No status is told by colour alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from tfmatrix.analysis.records import delta
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.core.text import Code, Inline, Mark, joined, number, one_line


class Flag(str):
    """A sign of a cell that the legend explains."""

    __slots__ = ()


KNOWN, FIXED, FLAKY, PROMISED, REMEDY = Flag("*"), Flag("!"), Flag("~"), Flag("†"), Flag("✗→✓")
INFERRED = Flag("≈")
_FLAGS: Mapping[str, str] = {
    KNOWN: "known: listed in known_failures.yaml; behind a count: all of them are",
    FIXED: "fixed: listed in known_failures.yaml, but passes now",
    FLAKY: "flaky: two tries disagreed",
    PROMISED: "promised: TensorFlow's version policy says that this works",
    INFERRED: "inferred, not measured: another cell tells what it comes to; behind a count: some of them are",
}


class Difference(str):
    """The figure of a cell that drifted."""

    __slots__ = ()


Pairs = Mapping[tuple[str, str], list[CellRecord]]


def by_pair(records: Iterable[CellRecord], order: Sequence[str]) -> tuple[Pairs, list[str], list[str]]:
    """Records by writer and reader; the writers and the readers that have any, in matrix order."""
    groups: dict[tuple[str, str], list[CellRecord]] = {}
    for record in records:
        groups.setdefault((record.writer, record.reader), []).append(record)
    writers, readers = {pair[0] for pair in groups}, {pair[1] for pair in groups}
    return groups, [name for name in order if name in writers], [name for name in order if name in readers]


def matrix(
    records: Iterable[CellRecord], order: Sequence[str], cell: Callable[[Sequence[CellRecord]], Inline]
) -> tuple[tuple[str, ...], tuple[tuple[Inline, ...], ...]]:
    """Readers, and a row for each writer: its name, then what `cell` makes of the records of each pair.

    A pair without records has an empty cell; environments without any have no row, respectively no column.
    """
    groups, writers, readers = by_pair(records, order)
    rows = tuple(
        (
            (one_line(writer, 60),),
            *(cell(groups[writer, reader]) if (writer, reader) in groups else () for reader in readers),
        )
        for writer in writers
    )
    return tuple(one_line(reader, 60) for reader in readers), rows


def named(status: Status) -> str:
    """A status with its symbol: `✗ drift`; the symbol alone where that is the status (`✓`, `–`)."""
    return status.symbol if _is_symbol(status) else f"{status.symbol} {status.value}"


def _is_symbol(status: Status) -> bool:
    return status in (Status.PASS, Status.UNSUPPORTED)


def cell_lines(record: CellRecord) -> tuple[Inline, ...]:
    """A cell as lines: status with figure and flags, then the failed checks, then the remedy that works."""
    status = record.status
    first: Inline = (Mark(status.symbol if _is_symbol(status) else status.value, status),)
    lines: list[Inline] = []
    difference = delta(record)
    if status is Status.DRIFT and difference is not None:
        first += (Difference(f" {number(difference)}"),)
    elif status is Status.DRIFT and record.failed_checks:
        check, *others = record.failed_checks
        lines.append((one_line(check, 20) + (f"+{len(others)}" if others else ""),))
    if record.remedy:
        lines.append((REMEDY, f" {one_line(record.remedy, 40)}"))
    return ((*first, *flags(record)), *lines)


def flags(record: CellRecord) -> tuple[Flag, ...]:
    """The flags of a cell. A promise is flagged where it is broken: on every cell it would say nothing."""
    found = {
        KNOWN: record.known,
        FIXED: record.fixed,
        FLAKY: record.flaky,
        PROMISED: record.promised and record.status.is_incompatibility,
        INFERRED: record.inferred is not None,
    }
    return tuple(flag for flag, is_set in found.items() if is_set)


def counted(records: Sequence[CellRecord]) -> Inline:
    """Counts by status, the worst first: `✗ drift 3* · ✓ 9≈`. A star: all are known; ≈: some are inferred."""
    counts = Counter(record.status for record in records)
    unknown = {record.status for record in records if not record.known}
    inferred = {record.status for record in records if record.inferred is not None}
    return joined(
        (
            (
                Mark(named(status), status),
                f" {counts[status]}",
                *(() if status in unknown else (KNOWN,)),
                *((INFERRED,) if status in inferred else ()),
            )
            for status in WORST_FIRST
            if counts[status]
        ),
        " · ",
    )


def counted_lines(records: Sequence[CellRecord]) -> tuple[Inline, ...]:
    """The same for narrow columns: counts by symbol, then the name of the worst status: `✗3 ✓9`, `drift`."""
    by_symbol: dict[str, list[CellRecord]] = {}
    for record in sorted(records, key=lambda record: WORST_FIRST.index(record.status)):
        by_symbol.setdefault(record.status.symbol, []).append(record)
    first = joined(
        (
            (
                Mark(f"{symbol}{len(group)}", group[0].status),
                *((KNOWN,) if all(record.known for record in group) else ()),
                *((INFERRED,) if any(record.inferred is not None for record in group) else ()),
            )
            for symbol, group in by_symbol.items()
        ),
        " ",
    )
    worst = min((record.status for record in records), key=WORST_FIRST.index)
    named_too = worst.is_incompatibility or worst is Status.INFRA_ERROR
    return (first, (Mark(worst.value, worst),)) if named_too else (first,)


def legend(records: Iterable[CellRecord], shown: Iterable[Inline]) -> tuple[Inline, ...]:
    """Explains the statuses of the records, and what else stands in `shown`, the cells of the tables."""
    present = {record.status for record in records}
    cells = list(shown)
    pieces = {(type(piece), piece) for cell in cells for piece in cell if isinstance(piece, str)}
    has_figure = any(kind is Difference for kind, _ in pieces)
    has_flag = {text for kind, text in pieces if kind is Flag}
    lines: list[Inline] = []
    for status in WORST_FIRST:
        if status in present:
            more = "; the figure is the largest absolute difference of the outputs"
            meaning = status.meaning + (more if status is Status.DRIFT and has_figure else "")
            lines.append((Code(status.symbol), f" {status.value}: {meaning}"))
    lines.extend((Code(flag), f" {meaning}") for flag, meaning in _FLAGS.items() if flag in has_flag)
    if REMEDY in has_flag:
        lines.append((Code(f"{REMEDY} NAME"), " fails as it is, and passes with this remedy"))
    if not all(cells):
        lines.append(("an empty cell is not part of this run",))
    return tuple(lines)
