"""Renders blocks as GitHub Flavored Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import assert_never

from tfmatrix.core.text import Inline, one_line, to_markdown
from tfmatrix.core.text import lines as lines_of
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


def render(blocks: Iterable[Block]) -> str:
    """The blocks as one Markdown text, ending with a newline."""
    return "\n\n".join(text for block in blocks if (text := _block(block))) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(level=level, text=text, alarm=alarm):
            return f"{'#' * level} {'⚠ ' if alarm else ''}{to_markdown(text)}"
        case Paragraph(text=text):
            return to_markdown(text)
        case Commands(lines=commands):
            return _fenced("\n".join(f"{command}  # {what}" if what else command for command, what in commands), "sh")
        case Quote(text=text):
            # Quoted, so that a code fence or a comment which its author left open ends with it.
            return "\n".join(f"> {one_line(line, 1000)}".rstrip() for line in text.strip().split("\n"))
        case Verbatim(text=text, limit=limit):
            return _fenced("\n".join(lines_of(text, limit)), "text")
        case Bullets(items=items):
            return "\n".join(map(_item, items))
        case Facts(rows=rows):
            return "\n".join(f"- {to_markdown(name)}: {to_markdown(text)}" for name, text in rows)
        case Table():
            return _table(block)
        case Details():
            return ""
        case _:
            assert_never(block)


def _item(item: Item) -> str:
    figures = ", ".join(f"{name} {value}" for name, value in item.figures)
    text = (*item.text, f" ({figures})") if figures else item.text
    return "\n".join([f"- {to_markdown(text)}", *(f"  - {to_markdown(each)}" for each in item.under)])


def _fenced(text: str, kind: str) -> str:
    """A code block whose fence is longer than any of the text's own."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", text)), 3)
    return f"{fence}{kind}\n{text}\n{fence}"


def _table(table: Table) -> str:
    """Columns as wide as what they hold. A whole map has millions of fields, most of which are the same object."""
    written: dict[int, str] = {}

    def field(cell: Inline) -> str:
        text = written.get(id(cell))
        if text is None:
            text = written[id(cell)] = to_markdown(cell, in_table=True)
        return text

    head = [to_markdown(name, in_table=True) for name in table.head]
    columns = list(zip(*(map(field, row) for row in table.rows), strict=True)) or [()] * len(head)
    widths = [max(len(name) + 2, *map(len, column)) for name, column in zip(head, columns, strict=True)]
    lines = [
        [name.ljust(width) for name, width in zip(head, widths, strict=True)],
        *zip(
            *([text.ljust(width) for text in column] for column, width in zip(columns, widths, strict=True)),
            strict=True,
        ),
    ]
    rule = "|".join(f":{'-' * (width + 1)}" for width in widths)
    first, *rest = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([first, f"|{rule}|", *rest])
