"""What stands in a cell of a table, and the legend that explains it. No status is told by colour alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from tfmatrix.analysis.looks import Counts, Look
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


_Cell = TypeVar("_Cell")
_Key = TypeVar("_Key")


def sides(pairs: Iterable[tuple[str, str]], order: Sequence[str]) -> tuple[list[str], list[str]]:
    """The writers and the readers of some pairs, each in matrix order."""
    every = list(pairs)
    writers, readers = {pair[0] for pair in every}, {pair[1] for pair in every}
    return [name for name in order if name in writers], [name for name in order if name in readers]


def matrix(
    pairs: Mapping[tuple[str, str], _Cell], order: Sequence[str], cell: Callable[[_Cell], Inline]
) -> tuple[tuple[str, ...], tuple[tuple[Inline, ...], ...]]:
    """Readers, and a row for each writer: its name, then what `cell` makes of what each pair has.

    A pair that is not there has an empty cell; environments without any have no row, respectively no column.
    """
    writers, readers = sides(pairs, order)
    rows = tuple(
        (
            (one_line(writer, 60),),
            *(cell(pairs[writer, reader]) if (writer, reader) in pairs else () for reader in readers),
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


def counted(counts: Counts) -> Inline:
    """Counts by status, the worst first: `✗ drift 3* · ✓ 9≈`. A star: all are known; ≈: some are inferred."""
    by_status = _grouped(counts, lambda look: look.status)
    return joined(
        (
            (Mark(named(status), status), f" {sum(by_status[status].values())}", *_shared_flags(by_status[status]))
            for status in WORST_FIRST
            if status in by_status
        ),
        " · ",
    )


def counted_lines(counts: Counts) -> tuple[Inline, ...]:
    """The same for narrow columns: counts by symbol, then the name of the worst status: `✗3 ✓9`, `drift`."""
    ranked = dict(sorted(counts.items(), key=lambda item: WORST_FIRST.index(item[0].status)))
    worst = next(iter(ranked)).status
    first = joined(
        (
            (Mark(f"{symbol}{sum(group.values())}", next(iter(group)).status), *_shared_flags(group))
            for symbol, group in _grouped(ranked, lambda look: look.status.symbol).items()
        ),
        " ",
    )
    named_too = worst.is_incompatibility or worst is Status.INFRA_ERROR
    return (first, (Mark(worst.value, worst),)) if named_too else (first,)


def _grouped(counts: Counts, key: Callable[[Look], _Key]) -> Mapping[_Key, Counts]:
    groups: dict[_Key, dict[Look, int]] = {}
    for look, count in counts.items():
        groups.setdefault(key(look), {})[look] = count
    return groups


def _shared_flags(counts: Counts) -> tuple[Flag, ...]:
    """What is to be said of cells that are counted together."""
    return (
        *((KNOWN,) if all(look.known for look in counts) else ()),
        *((INFERRED,) if any(look.inferred for look in counts) else ()),
    )


def legend(present: Collection[Status], shown: Iterable[Inline]) -> tuple[Inline, ...]:
    """Explains the statuses that are there, and what else stands in `shown`, the cells of the tables."""
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
