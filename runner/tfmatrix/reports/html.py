"""Renders blocks as HTML of the site: every piece of text is escaped here, and nothing else is markup."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import assert_never

from markupsafe import Markup, escape

from tfmatrix.core.status import Status
from tfmatrix.core.text import Code, Inline, Link, Mark, Piece, Strong, escaped, lines, plain
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


def render(blocks: Iterable[Block]) -> Markup:
    """The blocks, one after the other."""
    return Markup("").join(map(_block, blocks))


def inline(text: Inline | str) -> Markup:
    """Text, code and links of a line."""
    pieces = (text,) if isinstance(text, str) else text
    return Markup("").join(map(_piece, pieces))


def _block(block: Block) -> Markup:
    match block:
        case Heading(level=level, text=text):
            return Markup("<h{0}>{1}</h{0}>").format(level, inline(text))
        case Paragraph(text=text):
            return Markup("<p>{}</p>").format(inline(text))
        case Commands(lines=commands):
            listed = (Markup("<li><code>{}</code> <span class=quiet>{}</span></li>").format(*each) for each in commands)
            return Markup('<ul class="commands">{}</ul>').format(Markup("").join(listed))
        case Quote(text=text):
            return Markup('<blockquote class="claim">{}</blockquote>').format(escaped(text, keep="\n\t"))
        case Verbatim(text=text, label=label, limit=limit):
            shown = "\n".join(lines(text, limit))
            return Markup('<pre tabindex="0" role="region" aria-label="{}">{}</pre>').format(label, shown)
        case Bullets(items=items):
            return Markup('<ul class="findings">{}</ul>').format(Markup("").join(map(_item, items)))
        case Facts(rows=rows):
            return Markup('<dl class="facts">{}</dl>').format(_pairs((name, inline(text)) for name, text in rows))
        case Table():
            return _table(block)
        case Details(summary=summary, blocks=blocks):
            return Markup("<details><summary>{}</summary>{}</details>").format(summary, render(blocks))
        case _:
            assert_never(block)


def _item(item: Item) -> Markup:
    under = Markup("").join(Markup("<li>{}</li>").format(inline(each)) for each in item.under)
    figures = _pairs((name, escape(value)) for name, value in item.figures)
    return Markup("<li>{}{}{}</li>").format(
        inline(item.text),
        Markup("<ul>{}</ul>").format(under) if under else "",
        Markup('<details><summary>{} figure{}</summary><dl class="figures">{}</dl></details>').format(
            len(item.figures), "" if len(item.figures) == 1 else "s", figures
        )
        if figures
        else "",
    )


def _pairs(pairs: Iterable[tuple[str, Markup]]) -> Markup:
    return Markup("").join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*pair) for pair in pairs)


@lru_cache(maxsize=1 << 15)
def _row(row: tuple[Inline, ...]) -> Markup:
    # Of the packages of two environments there is a table for each pair, with the same rows again and again.
    cells = Markup("").join(Markup("<td>{}</td>").format(inline(cell)) for cell in row[1:])
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(inline(row[0]), cells)


def _table(table: Table) -> Markup:
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in table.head)
    rows = map(_row, table.rows)
    return Markup(
        '<div class="scroll" tabindex="0"><table class="list"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(head, Markup("").join(rows))


def _piece(piece: Piece) -> Markup:
    match piece:
        case Code(text=text):
            return Markup("<code>{}</code>").format(_text(text))
        case Strong(text=text):
            return Markup("<strong>{}</strong>").format(_text(text))
        case Mark(text=text, status=Status() as status):
            return Markup('<span class="status s-{}">{}</span>').format(status.value, _text(text))
        case Mark(text=text, status=status):
            sign = Markup('<span aria-hidden="true">{}</span>').format(status.sign)
            return Markup('<span class="check-{}">{} {}</span>').format(status.value, sign, _text(text))
        case Link(url=url, label=label, is_page=True):
            return Markup('<a href="{}">{}</a>').format(url, _text(label))
        case Link(url=url, label=label) if url.startswith(("https://", "http://")):
            address = _text(url)
            return Markup('<a href="{}" rel="noreferrer noopener">{}</a>').format(address, label or address)
        case _:
            return escape(_text(plain(piece)))


def _text(text: str) -> str:
    return escaped(text, keep="\n\t")
