"""Renders blocks as GitHub Flavored Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import assert_never

from tfmatrix.core.text import lines, one_line, to_markdown
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
            return _fenced("\n".join(lines(text, limit)), "text")
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
    from tabulate import tabulate

    rows = [[to_markdown(cell, in_table=True) for cell in row] for row in table.rows]
    headers = [to_markdown(name, in_table=True) for name in table.head]
    # "pipe" looks the same in every release of tabulate; "github" changed its alignment row.
    return tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True)
