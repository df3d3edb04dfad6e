"""Renders a report as plain text for a terminal, within a width; colours are laid over the finished text."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, assert_never

from tfmatrix.core.text import to_plain
from tfmatrix.reports.document import Block, Bullets, Command, Heading, Paragraph, Quote, Table
from tfmatrix.reports.heatmap import HeatMap, draw

if TYPE_CHECKING:
    import pandas as pd

MINIMAL_WIDTH = 40
MOST_PARTS = 2
"""Parts that a table may be cut into; beyond, its heat map is easier to read."""

_COLOURS = {
    r"✓\d*": "green",
    r"✗\d*|\b(drift|load-error|save-error|crash|timeout)\b": "red",
    r"\?\d*|\binfra-error\b": "yellow",
    r"–\d*": "dim",
}


def to_document(blocks: Iterable[Block], *, width: int, colour: bool) -> str:
    """The blocks as text, ending with a newline. Tables wider than `width` are split by columns.

    Without its escape sequences the coloured text is the plain one.
    """
    width = max(width, MINIMAL_WIDTH)
    parts = [(block, text) for block in blocks if (text := _block(block, width))]
    if colour:
        return "\n".join(_coloured(block, text, width) for block, text in parts)
    return "\n".join(text + "\n" for _, text in parts)


def _block(block: Block, width: int) -> str:
    match block:
        case Heading(level=level, text=text, alarm=alarm):
            title = _wrapped(("!!! " if alarm else "") + to_plain(text), width)
            return title if level > 2 else f"{title}\n{('=' if level == 1 else '-') * _width_of(title)}"
        case Paragraph(text=text):
            return _wrapped(to_plain(text), width)
        case Command(text=text):
            return f"    {text}"
        case Quote():
            # The author's Markdown is for the published report; here the title must do.
            return ""
        case Bullets(items=items):
            return "\n".join(_wrapped(to_plain(item), width, first="- ", then="  ") for item in items)
        case Table():
            return _table(block, width)
        case _:
            assert_never(block)


def _wrapped(text: str, width: int, *, first: str = "", then: str = "") -> str:
    """Wrapped at spaces only: ids and commands must stay whole to be copied."""
    lines = textwrap.wrap(
        text,
        width=width,
        initial_indent=first,
        subsequent_indent=then,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)


def _table(table: Table, width: int) -> str:
    text = _grid(table.corner, table.wide)
    if _width_of(text) <= width:
        return text
    if _is_heat_map(table, width) and table.heat is not None:
        return draw(table.heat, table.corner, width)[0]
    return "\n\n".join(_grid(_two_lines(table.corner), part) for part in _parts(table, width))


def _is_heat_map(table: Table, width: int) -> bool:
    """Whether the table is drawn as its heat map: where it would be more than a few tables one under the other."""
    if table.heat is None or len(table.narrow.columns) <= MOST_PARTS or _width_of(_grid("", table.wide)) <= width:
        return False
    return len(_parts(table, width)) > MOST_PARTS


def _parts(table: Table, width: int) -> list[pd.DataFrame]:
    """The narrow form, cut into as few parts as fit, with columns shared out evenly."""
    columns = len(table.narrow.columns)
    for parts in range(1, columns + 1):
        size = -(-columns // parts)
        frames = [table.narrow.iloc[:, start : start + size] for start in range(0, columns, size)]
        if all(_width_of(_grid(_two_lines(table.corner), frame)) <= width for frame in frames):
            break
    return frames


def _grid(corner: str, frame: pd.DataFrame) -> str:
    from tabulate import tabulate

    headers = [corner, *frame.columns]
    rows = [[name, *cells] for name, cells in zip(frame.index, frame.to_numpy().tolist(), strict=True)]
    # The header as rows of the body: given as headers, each column would be two wider than its name.
    rules = ["-" * max(_width_of(row[column]) for row in (headers, *rows)) for column in range(len(headers))]
    text = tabulate([headers, rules, *rows], tablefmt="plain", disable_numparse=True)
    return "\n".join(line.rstrip() for line in text.split("\n"))


def _two_lines(corner: str) -> str:
    return corner.replace(" ", "\n")


def _width_of(text: str) -> int:
    return max(len(line) for line in text.split("\n"))


def _coloured(block: Block, text: str, width: int) -> str:
    from rich.console import Console
    from rich.text import Text

    styled = Text(text)
    match block:
        case Heading(alarm=True):
            styled.stylize("bold red")
        case Heading():
            styled.stylize("bold")
        case Table(heat=HeatMap() as heat) if _is_heat_map(block, width):
            for span in draw(heat, block.corner, width)[1]:
                styled.stylize(span.style, span.start, span.end)
        case Table():
            for pattern, style in _COLOURS.items():
                styled.highlight_regex(pattern, style)
        case _:
            pass
    stream = io.StringIO()
    # Everything is said here: whether there is colour has been decided, and nothing may be wrapped again.
    console = Console(
        file=stream,
        force_terminal=True,
        color_system="standard",
        no_color=False,
        legacy_windows=False,
        _environ={},
    )
    console.print(styled, soft_wrap=True, highlight=False)
    return stream.getvalue()
