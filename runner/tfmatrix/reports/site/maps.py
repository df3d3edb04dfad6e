"""Maps: writers × readers, a field for each pair, as the templates draw them: a sign, a figure and a label."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tfmatrix.analysis.causes import Cause
from tfmatrix.analysis.records import delta
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.core.text import number
from tfmatrix.reports.cells import INFERRED, KNOWN
from tfmatrix.reports.site.grid import Block, Grid, Tally
from tfmatrix.reports.site.names import shown

MIDDLE, STRONG = 0.25, 0.75
"""Shares of failing cells from which on a field has the middle and the full colour."""

DENSE = 12
"""Readers from which on a map is drawn narrow."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field: `tone` is a class of the style sheet, `label` what it says to those who do not see it.

    `total` stands behind the figure where that is a count: `/15`.
    """

    sign: str
    figure: str
    total: str = ""
    tone: str
    label: str
    link: str


@dataclass(frozen=True, kw_only=True)
class Map:
    """Rows are writers; None where the run has no such pair."""

    readers: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Field | None, ...]], ...]
    caption: str

    @property
    def is_dense(self) -> bool:
        """Whether there are so many readers that their names must stand upright."""
        return len(self.readers) > DENSE


def counted_map(
    tallies: Mapping[tuple[str, str], Tally], order: Sequence[str], link: Callable[[str, str], str], caption: str
) -> Map:
    """A map of several cells a field: the worst status, and how many of those measured pass."""

    def field(writer: str, reader: str) -> Field | None:
        tally = tallies.get((writer, reader))
        return _counted(tally, writer, reader, link(writer, reader)) if tally else None

    return _map(order, field, caption)


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Writers whose files fare alike in every reader, and what each reader makes of them.

    `fields` has None where the run has no such cell; a field leads to the cell of the first of the writers. `breaks`
    are the readers with which the outcome becomes another one than with the reader before.
    """

    writers: tuple[str, ...]
    fields: tuple[Field | None, ...]
    breaks: tuple[str, ...]

    @property
    def name(self) -> str:
        """The writers in few words."""
        if len(self.writers) <= 2:
            return ", ".join(self.writers)
        return f"{self.writers[0]} … {self.writers[-1]} ({len(self.writers)})"


def strips(block: Block, order: Sequence[str], link: Callable[[CellRecord], str]) -> list[Strip]:
    """A scenario in one format: a strip for each class of writers, in matrix order."""
    numbers: dict[object, int] = {None: 0}
    classes: dict[bytes, list[int]] = {}
    for writer, row in enumerate(block.numbered(lambda cell: numbers.setdefault(_outcome(cell), len(numbers)))):
        if row.any():
            classes.setdefault(row.tobytes(), []).append(writer)
    found = []
    for places in classes.values():
        writers = [order[place] for place in places]
        cells = [block.at(places[0], reader) for reader in range(len(order))]
        there = [(reader, cell.status) for reader, cell in zip(order, cells, strict=True) if cell]
        found.append(
            Strip(
                writers=tuple(map(shown, writers)),
                fields=tuple(_single(cell, link(cell)) if cell else None for cell in cells),
                breaks=tuple(shown(name) for (_, old), (name, new) in pairwise(there) if old is not new),
            )
        )
    return found


def _outcome(cell: CellRecord) -> tuple[object, ...]:
    return cell.status, cell.failed_checks, cell.known, bool(cell.remedy)


@dataclass(frozen=True, kw_only=True)
class CauseRow:
    """A cause along the versions: how many of its cells each environment has, None for none.

    `side` says whether the environments read ("reader") or wrote ("writer") them.
    """

    cause: Cause
    side: str
    counts: tuple[int | None, ...]


def cause_map(causes: Iterable[Cause], grid: Grid) -> list[CauseRow]:
    """Causes × environments: where each begins, ends, and comes again."""
    rows = []
    for cause in causes:
        # At a failing save it is the writer that says anything.
        side = "writer" if cause.first_reader is None else "reader"
        counts = grid.count_by(side, cause.cells)
        rows.append(CauseRow(cause=cause, side=side, counts=tuple(count or None for count in counts)))
    return rows


def _map(order: Sequence[str], field: Callable[[str, str], Field | None], caption: str) -> Map:
    rows = tuple((shown(writer), tuple(field(writer, reader) for reader in order)) for writer in order)
    return Map(readers=tuple(map(shown, order)), rows=rows, caption=caption)


def _counted(tally: Tally, writer: str, reader: str, link: str) -> Field:
    worst = tally.worst
    assert worst is not None  # A field without a cell is none.
    known = tally.failing and not tally.news
    passed = tally.counts.get(Status.PASS, 0)
    return Field(
        sign=worst.sign,
        figure=str(passed) if tally.measured else "",
        total=f"/{tally.measured}{KNOWN if known else ''}" if tally.measured else "",
        tone=tone(worst, promised=bool(tally.promised), share=tally.failing / max(1, tally.measured)),
        label=f"{shown(writer)} read by {shown(reader)}: {passed} of {tally.measured} pass; {tally.summary}"
        + (", all known" if known else "")
        + (f", {tally.broken_promises} promised" if tally.broken_promises else ""),
        link=link,
    )


def _single(record: CellRecord, link: str) -> Field:
    difference = delta(record) if record.status is Status.DRIFT else None
    marks = [
        name
        for name, is_set in (
            ("known", record.known),
            ("listed as known, but passes", record.fixed),
            ("flaky", record.flaky),
            ("promised", record.promised),
            ("inferred", record.inferred is not None),
            (f"passes with {shown(record.remedy)}", bool(record.remedy)),
        )
        if is_set
    ]
    lost = ", ".join(shown(check) for check in record.failed_checks if check != "load")
    return Field(
        sign=record.status.sign,
        figure=(number(difference) if difference is not None else "→✓" if record.remedy else "")
        + (KNOWN if record.known else "")
        + (INFERRED if record.inferred is not None else ""),
        # There is no share of one cell: pale is what has been looked at.
        tone=tone(record.status, promised=record.promised, share=0.0 if record.known else 1.0),
        label=f"{shown(record.writer)} read by {shown(record.reader)}: {record.status.value}"
        + (f" ({lost})" if lost else "")
        + "".join(f", {mark}" for mark in marks),
        link=link,
    )


def tone(status: Status, *, promised: bool, share: float) -> str:
    """The classes of a field; the more of what was measured fails, the stronger its colour."""
    classes = [f"s-{status.value}"]
    if status.is_incompatibility and share < STRONG:
        classes.append("low" if share < MIDDLE else "middle")
    if promised:
        classes.append("promised")
    return " ".join(classes)


def legend(tally: Tally) -> list[tuple[str, str, str, str]]:
    """Sign, class, name and meaning of each status that is there."""
    return [
        (status.sign, f"s-{status.value}", status.value, status.meaning)
        for status in WORST_FIRST
        if tally.counts.get(status)
    ]
