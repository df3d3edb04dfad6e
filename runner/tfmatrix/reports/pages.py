"""A page of evidence as blocks, and its two forms: plain text for a terminal, Markdown for an issue.

Text of ours marks code with backticks. Foreign text goes through `one_line` before it becomes part of a sentence, or
into `Verbatim`, which shows lines as they are.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from tfmatrix.core.text import lines, one_line, to_markdown, with_code

WIDTH = 100


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A title; 1 is the page's own."""

    level: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Items:
    """A list; `under` are the sentences that belong to an item."""

    items: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, items: Iterable[str]) -> Items:
        """A list without anything under its items."""
        return cls(items=tuple((item, ()) for item in items))


@dataclass(frozen=True, kw_only=True)
class Verbatim:
    """Foreign text, line by line; at most `limit` lines, the last ones."""

    text: str
    limit: int = 2000


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells; the first row is the header."""

    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Commands:
    """Lines to be copied into a shell, each with what it does."""

    lines: tuple[tuple[str, str], ...]


Block = Heading | Paragraph | Items | Verbatim | Table | Commands


def to_text(blocks: Iterable[Block]) -> str:
    """The page for a terminal; ends with a newline. Commands and ids stay whole, however long."""
    return "\n\n".join(filter(None, map(_plain, blocks))) + "\n"


def _plain(block: Block) -> str:
    match block:
        case Heading(level=level, text=text):
            title = one_line(text, 300)
            return f"{title}\n{'=' * len(title)}" if level == 1 else title.upper()
        case Paragraph(text=text):
            return _wrapped(text)
        case Items(items=items):
            shown = []
            for item, under in items:
                shown.append(_wrapped(item, first="- ", then="  "))
                shown += [_wrapped(text, first="    ", then="    ") for text in under]
            return "\n".join(shown)
        case Verbatim(text=text, limit=limit):
            return "\n".join(f"    {line}".rstrip() for line in lines(text, limit))
        case Table(rows=rows):
            widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
            return "\n".join(
                "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
            )
        case Commands(lines=commands):
            return "\n".join(f"    {command}  # {what}" for command, what in commands)
        case _:
            assert_never(block)


def _wrapped(text: str, *, first: str = "", then: str = "") -> str:
    """At spaces only: ids and commands must stay whole to be copied."""
    wrapper = textwrap.TextWrapper(
        width=WIDTH, initial_indent=first, subsequent_indent=then, break_long_words=False, break_on_hyphens=False
    )
    return wrapper.fill(one_line(text, 4000))


def to_page(blocks: Iterable[Block]) -> str:
    """The page as GitHub Flavored Markdown; ends with a newline."""
    return "\n\n".join(map(_markdown, blocks)) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(level=level, text=text):
            return f"{'#' * level} {to_markdown(with_code(text, 2000))}"
        case Paragraph(text=text):
            return to_markdown(with_code(text, 2000))
        case Items(items=items):
            return "\n".join(
                "\n".join(
                    [
                        f"- {to_markdown(with_code(item, 2000))}",
                        *(f"  - {to_markdown(with_code(text, 2000))}" for text in under),
                    ]
                )
                for item, under in items
            )
        case Verbatim(text=text, limit=limit):
            shown = "\n".join(lines(text, limit))
            # Longer than any fence of the text's own.
            fence = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", shown)), 3)
            return f"{fence}text\n{shown}\n{fence}"
        case Table(rows=rows):
            head, *body = [[to_markdown(with_code(cell, 2000), in_table=True) for cell in row] for row in rows]
            return "\n".join(map(_row, [head, ["---"] * len(head), *body]))
        case Commands(lines=commands):
            return "\n".join(["```sh", *(f"{command}  # {what}" for command, what in commands), "```"])
        case _:
            assert_never(block)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
