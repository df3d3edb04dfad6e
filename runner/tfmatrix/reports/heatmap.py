"""Writers × readers in four or five columns a reader, for a run of many environments: a sign and a count each.

Readers are numbered like the rows, for their names would be wider than what stands under them. A colour repeats what
the sign says, and its strength how many of the pair's cells fail.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.core.text import one_line
from tfmatrix.reports.cells import KNOWN

STRONG = 0.5
"""The share of failing cells from which on a field is filled."""

_GAP = 1
_MOST_LABEL = 24


@dataclass(frozen=True, kw_only=True)
class Span:
    """A style (as rich has them) for the characters from `start` to `end` of a text."""

    start: int
    end: int
    style: str


@dataclass(frozen=True, kw_only=True)
class Field:
    """One pair."""

    text: str
    style: str


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """Rows are writers; None where the run has no such pair. `numbers` are those of the environments, from 1.

    `key` explains the signs.
    """

    key: str
    numbers: dict[str, int]
    readers: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Field | None, ...]], ...]


def heat_map(records: Sequence[CellRecord], order: Sequence[str]) -> HeatMap:
    """The map of some records: the worst status of each pair, and how many cells have it."""
    groups: dict[tuple[str, str], list[CellRecord]] = {}
    for record in records:
        groups.setdefault((record.writer, record.reader), []).append(record)
    writers = [name for name in order if any(pair[0] == name for pair in groups)]
    readers = [name for name in order if any(pair[1] == name for pair in groups)]
    single = all(len(group) == 1 for group in groups.values())
    worst = {_worst(group) for group in groups.values()}
    what = "" if single else "the worst status of the pair, and how many cells have it: "
    return HeatMap(
        key=what + ", ".join(f"{status.sign} {status.value}" for status in WORST_FIRST if status in worst),
        numbers={name: number for number, name in enumerate(order, start=1)},
        readers=tuple(readers),
        rows=tuple(
            (
                writer,
                tuple(
                    _field(group, single=single) if (group := groups.get((writer, reader))) else None
                    for reader in readers
                ),
            )
            for writer in writers
        ),
    )


def _field(group: Sequence[CellRecord], *, single: bool) -> Field:
    worst = _worst(group)
    having = [record for record in group if record.status is worst]
    known = KNOWN if worst.is_incompatibility and all(record.known for record in having) else ""
    failing = sum(record.status.is_incompatibility for record in group) / len(group)
    style = worst.colour
    if worst.is_incompatibility and not known and failing >= STRONG:
        style = "bold white on red"
    return Field(text=f"{worst.sign}{'' if single else _short(len(having))}{known}", style=style)


def _worst(group: Sequence[CellRecord]) -> Status:
    return min((record.status for record in group), key=WORST_FIRST.index)


def _short(count: int) -> str:
    return str(count) if count < 1000 else f"{count // 1000}k"


def draw(heat: HeatMap, corner: str, width: int) -> tuple[str, tuple[Span, ...]]:
    """The map as text within `width` columns, and the styles of its fields; split into blocks of readers."""
    digits = len(str(max(heat.numbers.values(), default=1)))
    labels = {writer: f"{heat.numbers[writer]:>{digits}} {one_line(writer, _MOST_LABEL)}" for writer, _ in heat.rows}
    label = max(len(corner), *(len(text) for text in labels.values()))
    field = max([digits, *(len(each.text) for _, row in heat.rows for each in row if each)])
    a_block = max(1, (width - label - _GAP) // (field + _GAP))
    # As few blocks as fit, with the readers shared out evenly.
    blocks = -(-len(heat.readers) // a_block)
    size = -(-len(heat.readers) // blocks)
    lines: list[str] = []
    spans: list[Span] = []
    at = 0
    for start in range(0, len(heat.readers), size):
        for text, styled in _block(heat, labels, corner, (label, field), slice(start, start + size)):
            lines.append(text)
            spans += [Span(start=at + each.start, end=at + each.end, style=each.style) for each in styled]
            at += len(text) + 1
        lines.append("")
        at += 1
    lines += textwrap.wrap(heat.key, width=width, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines), tuple(spans)


def _block(
    heat: HeatMap, labels: dict[str, str], corner: str, widths: tuple[int, int], part: slice
) -> Iterator[tuple[str, list[Span]]]:
    label, field = widths
    numbers = "".join(f"{' ' * _GAP}{heat.numbers[name]:>{field}}" for name in heat.readers[part])
    yield f"{corner:<{label}}{numbers}", []
    for writer, row in heat.rows:
        text = f"{labels[writer]:<{label}}"
        spans = []
        for each in row[part]:
            text += " " * _GAP
            shown = each.text if each else ""
            start = len(text) + field - len(shown)
            text += f"{shown:>{field}}"
            if each:
                spans.append(Span(start=start, end=start + len(shown), style=each.style))
        yield text.rstrip(), spans
