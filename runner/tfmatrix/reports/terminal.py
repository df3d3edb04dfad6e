"""Renders blocks as plain text for a terminal, within a width. Colour repeats what the text says."""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import assert_never

from tfmatrix.core.text import Inline, Mark, Piece, Strong, lines, one_line, plain, to_plain
from tfmatrix.reports.document import (
    Block,
    Bullets,
    Commands,
    Details,
    Facts,
    Heading,
    Item,
    Paragraph,
    Quote,
    Table,
    Verbatim,
)
from tfmatrix.reports.heatmap import HeatMap

WIDTH = 80
MINIMAL_WIDTH = 40
MOST_PARTS = 2
"""Parts that a table may be cut into; beyond, its heat map is easier to read."""

_MOST_LABEL = 24
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def render(blocks: Iterable[Block], *, width: int = WIDTH, colour: bool = False) -> str:
    """The blocks as text, ending with a newline. Tables wider than `width` are split by columns.

    Commands and ids stay whole, however long. Without its escape sequences the coloured text is the plain one.
    """
    terminal = _Terminal(max(width, MINIMAL_WIDTH), colour=colour)
    return "\n".join(text + "\n" for block in blocks if (text := terminal.block(block)))


class _Terminal:
    def __init__(self, width: int, *, colour: bool) -> None:
        self._width = width
        self._colour = colour

    def block(self, block: Block) -> str:
        match block:
            case Heading():
                return self._heading(block)
            case Paragraph(text=text):
                return self._wrapped(text)
            case Commands(lines=commands):
                return "\n".join(f"    {command}" + (f"  # {what}" if what else "") for command, what in commands)
            case Verbatim(text=text, limit=limit):
                return "\n".join(f"    {line}".rstrip() for line in lines(text, limit))
            case Bullets(items=items):
                return "\n".join(map(self._item, items))
            case Facts(rows=rows):
                name = max(len(name) for name, _ in rows)
                return "\n".join(self._wrapped(text, f"{title:<{name}}  ", " " * (name + 2)) for title, text in rows)
            case Table():
                return self._table(block)
            case Quote() | Details():
                # The author's Markdown is for the published report; here the title must do.
                return ""
            case _:
                assert_never(block)

    def _heading(self, heading: Heading) -> str:
        title = self._wrap(("!!! " if heading.alarm else "", *heading.text))
        if heading.level <= 2:
            title = [*title, ("=" if heading.level == 1 else "-") * max(map(len, title))]
        return "\n".join(self._styled(line, "bold red" if heading.alarm else "bold") for line in title)

    def _item(self, item: Item) -> str:
        figures = ", ".join(f"{name} {value}" for name, value in item.figures)
        text = (*item.text, f" ({figures})") if figures else item.text
        return "\n".join([self._wrapped(text, "- ", "  "), *(self._wrapped(each, "    ") for each in item.under)])

    # Lines

    def _wrap(self, text: Inline, first: str = "", then: str = "", width: int = 0) -> list[str]:
        """Wrapped at spaces only: ids and commands must stay whole to be copied."""
        return textwrap.wrap(
            to_plain(text),
            width=width or self._width,
            initial_indent=first,
            subsequent_indent=then,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def _wrapped(self, text: Inline, first: str = "", then: str | None = None, width: int = 0) -> str:
        then = first if then is None else then
        wrapped = self._wrap(text, first, then, width)
        if not self._colour:
            return "\n".join(wrapped)
        # Lines are parts of the text in its order, with spaces left out between them.
        whole, shown, at = to_plain(text), [], 0
        for line, indent in zip(wrapped, itertools.chain([first], itertools.repeat(then)), strict=False):
            content = line.removeprefix(indent)
            at = whole.index(content, at)
            shown.append(indent + self._part(text, at, at + len(content)))
            at += len(content)
        return "\n".join(shown)

    def _part(self, text: Inline, start: int, end: int) -> str:
        """The characters of a text from `start` to `end`, each piece in its colour."""
        parts, at = [], 0
        for piece in text:
            said = plain(piece)
            parts.append(self._styled(said[max(start - at, 0) : max(end - at, 0)], _style(piece)))
            at += len(said)
        return "".join(parts)

    def _styled(self, text: str, style: str) -> str:
        if not (self._colour and style and text):
            return text
        from rich.color import ColorSystem
        from rich.style import Style

        return Style.parse(style).render(text, color_system=ColorSystem.STANDARD)

    # Tables

    def _table(self, table: Table) -> str:
        narrow_head = (table.head[0].replace(" ", "\n"), *table.head[1:])
        # Where the names of its columns alone take too many parts, as those of a whole map do, no cell is written.
        if table.narrow and table.heat is not None and self._is_too_wide(_widths(narrow_head, ())):
            return self._heat_map(table.heat, table.head[0])
        cell = self._cells()
        rows = [
            [
                self._wrapped(field, width=table.widths[name]) if name in table.widths else cell(field)
                for name, field in zip(table.head, row, strict=True)
            ]
            for row in table.rows
        ]
        if self._fits(_widths(table.head, rows)) or not table.narrow:
            return self._grid(table.head, rows)
        narrow = [list(map(cell, row)) for row in table.narrow]
        widths = _widths(narrow_head, narrow)
        if table.heat is not None and self._is_too_wide(widths):
            return self._heat_map(table.heat, table.head[0])
        return "\n\n".join(
            self._grid((narrow_head[0], *narrow_head[part]), [[row[0], *row[part]] for row in narrow])
            for part in self._parts(widths)
        )

    def _is_too_wide(self, widths: Sequence[int]) -> bool:
        """Whether columns of these widths take more parts than are easy to read."""
        return len(self._parts(widths)) > MOST_PARTS

    def _fits(self, widths: Sequence[int]) -> bool:
        """Whether columns of these widths fit beside each other: `_grid` puts two spaces between them."""
        return sum(widths) + 2 * (len(widths) - 1) <= self._width

    def _parts(self, widths: Sequence[int]) -> list[slice]:
        """The columns behind the first, cut into as few parts as fit beside it, shared out evenly."""
        columns = len(widths) - 1
        for parts in range(1, columns + 1):
            size = -(-columns // parts)
            slices = [slice(start, start + size) for start in range(1, columns + 1, size)]
            if all(self._fits([widths[0], *widths[each]]) for each in slices):
                break
        return slices

    def _cells(self) -> Callable[[Inline], str]:
        """Writes the cells of one table: most fields of a large one are the same object."""
        written: dict[int, str] = {}

        def cell(inline: Inline) -> str:
            text = written.get(id(inline))
            if text is None:
                text = written[id(inline)] = "".join(self._styled(plain(piece), _style(piece)) for piece in inline)
            return text

        return cell

    def _grid(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        from tabulate import tabulate

        # The header as rows of the body: given as headers, each column would be two wider than its name.
        rules = ["-" * width for width in _widths(head, rows)]
        text = tabulate([head, rules, *rows], tablefmt="plain", disable_numparse=True)
        return "\n".join(line.rstrip() for line in text.split("\n"))

    def _heat_map(self, heat: HeatMap, corner: str) -> str:
        """Blocks of readers, as few as fit, with the readers shared out evenly."""
        digits = len(str(max(heat.numbers.values(), default=1)))
        labels = {
            writer: f"{heat.numbers[writer]:>{digits}} {one_line(writer, _MOST_LABEL)}" for writer, _ in heat.rows
        }
        label = max(len(corner), *(len(text) for text in labels.values()))
        # Each field once: a table has thousands, most of which are the same object.
        marks = {id(each): each for _, row in heat.rows for each in row}
        field = max([digits, *(len(each.text) for each in marks.values() if each)])
        written = {place: self._field(each, field) for place, each in marks.items()}
        count = len(heat.readers)
        blocks = -(-count // max(1, (self._width - label - 1) // (field + 1)))
        size = -(-count // blocks)
        shown: list[str] = []
        for start in range(0, count, size):
            part = slice(start, start + size)
            shown.append(
                f"{corner:<{label}}" + "".join(f" {heat.numbers[name]:>{field}}" for name in heat.readers[part])
            )
            for writer, row in heat.rows:
                fields = "".join(map(written.__getitem__, map(id, row[part])))
                shown.append(f"{labels[writer]:<{label}}{fields}".rstrip())
            shown.append("")
        return "\n".join([*shown, *self._wrap((heat.key,))])

    def _field(self, mark: Mark | None, width: int) -> str:
        if mark is None:
            return " " * (width + 1)
        return " " * (1 + width - len(mark.text)) + self._styled(mark.text, _style(mark))


def _style(piece: Piece) -> str:
    match piece:
        case Mark(strong=True):
            return "bold white on red"
        case Mark(status=status):
            return status.colour
        case Strong():
            return "bold"
        case _:
            return ""


def _widths(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """The width of each column."""
    return [max(map(_width_of, set(column))) for column in zip(head, *rows, strict=True)]


def _width_of(text: str) -> int:
    """Columns of the widest line; escape sequences have none."""
    return max(len(_ESCAPE.sub("", line)) for line in text.split("\n"))
