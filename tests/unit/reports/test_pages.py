from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tfmatrix.core.text import one_line
from tfmatrix.reports.pages import Commands, Heading, Items, Paragraph, Table, Verbatim, to_page, to_text

MARKDOWN = MarkdownIt("commonmark").enable("table")


@given(st.text(max_size=60))
def test_any_text_of_a_page_stays_text(text: str) -> None:
    page = to_page(
        [
            Heading(level=1, text=text),
            Paragraph(text=text),
            Items(items=((text, (text,)),)),
            Verbatim(text=text),
            Table(rows=((one_line(text), "b"), (one_line(text), "c"))),
            Commands(lines=(("tfmatrix", "go on"),)),
        ]
    )
    tokens = MARKDOWN.parse(page)
    assert not any(token.type in ("html_block", "html_inline", "hr", "blockquote_open") for token in tokens)
    assert [token.type for token in tokens].count("heading_open") == 1
    assert [token.type for token in tokens].count("fence") == 2


def test_long_commands_and_ids_stay_whole() -> None:
    cell = "scenario-with-a-long-name/" + "x" * 150
    text = to_text([Paragraph(text=f"see `{cell}` for more"), Items.of([f"`{cell}`"])])
    assert text.count(cell) == 2
