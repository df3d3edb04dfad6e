"""One list of blocks in its three forms."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tfmatrix.core.status import CheckStatus, Status
from tfmatrix.core.text import Code, Inline, Link, Mark, Strong, one_line, with_code
from tfmatrix.reports import html, markdown, terminal
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

MARKDOWN = MarkdownIt("commonmark").enable("table")
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def page(text: str) -> list[Block]:
    line = with_code(text, 2000)
    short = one_line(text)
    marks = Mark(short, Status.DRIFT), Mark(short, CheckStatus.FAIL)
    pieces: Inline = (*marks, " ", Code(short), Strong(short), Link(short, short))
    return [
        Heading(level=1, text=line, alarm=True),
        Paragraph(text=line),
        Paragraph(text=("a ", *pieces)),
        Bullets(items=(Item(text=line, under=(line,), figures=((one_line(text), "1"),)),)),
        Facts(rows=(("name", line),)),
        Verbatim(text=text, label=one_line(text)),
        Quote(text=text),
        Table(head=("", "b"), rows=((line, pieces),), narrow=((line, pieces),)),
        Details(summary=one_line(text), blocks=(Paragraph(text=line),)),
        Commands(lines=(("tfmatrix", "go on"),)),
    ]


def test_the_page_has_every_kind_of_block() -> None:
    assert {type(block) for block in page("x")} == set(get_args(Block))


@given(st.text(max_size=60))
def test_any_text_stays_text_in_markdown(text: str) -> None:
    tokens = MARKDOWN.parse(markdown.render(page(text)))
    outside = [token for token in tokens if token.level == 0]
    assert not any(token.type in ("html_block", "html_inline", "hr") for token in outside)
    assert [token.type for token in outside].count("heading_open") == 1
    assert [token.type for token in outside].count("fence") == 2


@given(st.text(max_size=60))
def test_any_text_stays_text_in_html(text: str) -> None:
    shown = str(html.render(page(text)))
    # What is markup there is markup of a page without text; the number of figures and places of links may differ.
    tags = re.findall(r"<(/?[a-z0-9]+)", shown)
    without = re.findall(r"<(/?[a-z0-9]+)", str(html.render(page("x"))))
    assert {tag.lstrip("/") for tag in tags} <= {tag.lstrip("/") for tag in without} | {"code", "a"}
    assert not re.search(r"<(?![/a-z])", shown)
    assert "javascript:" not in re.findall(r'href="([^"]*)', shown)


@settings(deadline=None)  # The first call imports what draws tables and colours.
@given(st.text(max_size=60))
def test_colour_changes_nothing_but_colour(text: str) -> None:
    plain = terminal.render(page(text), width=60)
    assert plain.replace("\n", "").isprintable()
    assert ESCAPE.sub("", terminal.render(page(text), width=60, colour=True)) == plain


def test_long_commands_and_ids_stay_whole() -> None:
    cell = "scenario-with-a-long-name/" + "x" * 150
    text = terminal.render([Paragraph(text=("see ", Code(cell), " for more")), Bullets.of([(Code(cell),)])])
    assert text.count(cell) == 2


def test_a_mark_is_coloured_wherever_a_line_breaks() -> None:
    text: Inline = ("word " * 20, Mark("load-error twice", Status.LOAD_ERROR), " end")
    shown = terminal.render([Paragraph(text=text)], width=112, colour=True)
    assert "\x1b[31mload-error\x1b[0m\n\x1b[31mtwice\x1b[0m end" in shown


def test_html_marks_say_their_status() -> None:
    assert html.inline((Mark("≠ drift", Status.DRIFT),)) == '<span class="status s-drift">≠ drift</span>'
    assert html.inline((Link("https://a.b/?x=1&y=2", "there"),)) == (
        '<a href="https://a.b/?x=1&amp;y=2" rel="noreferrer noopener">there</a>'
    )
    assert html.inline((Link("javascript:alert(1)", "there"),)) == "there: javascript:alert(1)"


@pytest.mark.parametrize("colour", [False, True])
def test_text_columns_are_folded(colour: bool) -> None:
    table = Table(head=("a", "what"), rows=((("1",), ("word " * 30,)),), widths={"what": 30})
    text = ESCAPE.sub("", terminal.render([table], width=40, colour=colour))
    assert max(map(len, text.splitlines())) <= 40
    assert text.count("word") == 30
