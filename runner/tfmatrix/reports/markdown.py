"""Renders a report as GitHub Flavored Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from tfmatrix.core.text import one_line, to_markdown
from tfmatrix.reports.document import Block, Bullets, Command, Heading, Paragraph, Quote, Table


def to_document(blocks: Iterable[Block]) -> str:
    """The blocks as one Markdown text, ending with a newline."""
    return "\n\n".join(_block(block) for block in blocks) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(level=level, text=text, alarm=alarm):
            return f"{'#' * level} {'⚠ ' if alarm else ''}{to_markdown(text)}"
        case Paragraph(text=text):
            return to_markdown(text)
        case Command(text=text):
            return f"```sh\n{text}\n```"
        case Quote(text=text):
            # Quoted, so that a code fence or a comment which its author left open ends with it.
            return "\n".join(f"> {one_line(line, 1000)}".rstrip() for line in text.strip().split("\n"))
        case Bullets(items=items):
            return "\n".join(f"- {to_markdown(item)}" for item in items)
        case Table():
            return _table(block)
        case _:
            assert_never(block)


def _table(table: Table) -> str:
    from tabulate import tabulate

    rows = [
        [to_markdown(cell, in_table=True) for cell in (name, *cells)]
        for name, cells in zip(table.wide.index, table.wide.to_numpy().tolist(), strict=True)
    ]
    headers = [to_markdown(name, in_table=True) for name in (table.corner, *table.wide.columns)]
    # "pipe" looks the same in every release of tabulate; "github" changed its alignment row.
    return tabulate(rows, headers=headers, tablefmt="pipe", disable_numparse=True)
