"""The blocks that every report is made of. How they look is said by the renderers: terminal, Markdown, HTML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tfmatrix.core.text import Inline
from tfmatrix.reports.heatmap import HeatMap


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A title; 1 is the report's own. An alarm is news that wants to be seen."""

    level: int
    text: Inline
    alarm: bool = False


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """Running text."""

    text: Inline


@dataclass(frozen=True, kw_only=True)
class Commands:
    """Lines to be copied into a shell, each with what it does, or nothing."""

    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Quote:
    """Markdown of a scenario's author, several lines."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Verbatim:
    """Foreign text, line by line; at most `limit` lines, the last ones. `label` says what it is."""

    text: str
    label: str
    limit: int = 2000


@dataclass(frozen=True, kw_only=True)
class Item:
    """One of a list: what belongs to it stands `under` it, `figures` are names with values."""

    text: Inline
    under: tuple[Inline, ...] = ()
    figures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bullets:
    """A list."""

    items: tuple[Item, ...]

    @classmethod
    def of(cls, items: Iterable[Inline]) -> Bullets:
        """A list with nothing under its items."""
        return cls(items=tuple(Item(text=text) for text in items))


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Names, each with what is to be said of it."""

    rows: tuple[tuple[str, Inline], ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells under a head; the first cell of each names its row.

    `narrow` are the same rows with narrower columns, whose cells may hold several lines; `heat` is the table a third
    time, for so many columns that even those would be many tables. `widths` are of columns whose text a terminal folds.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[Inline, ...], ...]
    narrow: tuple[tuple[Inline, ...], ...] = ()
    heat: HeatMap | None = None
    widths: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Details:
    """What few readers want: folded away under its summary in HTML, left out elsewhere."""

    summary: str
    blocks: tuple[Block, ...]


Block = Heading | Paragraph | Commands | Quote | Verbatim | Bullets | Facts | Table | Details
