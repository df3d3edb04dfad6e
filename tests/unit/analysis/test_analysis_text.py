from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tfmatrix.analysis.text import code, lines, one_line, to_markdown
from tfmatrix.reports.pages import Commands, Heading, Items, Paragraph, Table, Verbatim, to_page, to_text

MARKDOWN = MarkdownIt("commonmark").enable("table")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`Dense` got *one*", r"`Dense` got \*one\*"),
        ("a_b _c_ <br>", r"a_b \_c\_ \<br>"),
        ("one ` alone", r"one \` alone"),
        ("1. first", r"1\. first"),
        ("2.12.1 – 2.15.1", "2.12.1 – 2.15.1"),
        ("- item", r"\- item"),
        ("> quote", r"\> quote"),
        ("a\nb\tc", "a b c"),
    ],
)
def test_our_sentences_as_markdown(text: str, expected: str) -> None:
    assert to_markdown(text) == expected


def test_pipes_are_escaped_in_tables_only() -> None:
    assert to_markdown("a|`b|c`", in_table=True) == r"a\|`b\|c`"


@given(st.text(max_size=60))
def test_any_text_is_one_printable_line(text: str) -> None:
    assert one_line(text).isprintable()
    assert len(one_line(text, 20)) <= 20
    assert all(line.isprintable() for line in lines(text))


@given(st.text(max_size=60))
def test_any_text_is_shown_by_markdown_to_the_letter(text: str) -> None:
    shown = one_line(text)
    tokens = MARKDOWN.parse(code(text))
    inline = [child for token in tokens for child in token.children or ()]
    # CommonMark takes one space from either side where there is one on both.
    assert "".join(child.content for child in inline).strip() == shown.strip()


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


def test_only_the_last_lines_of_a_long_text_are_shown() -> None:
    assert lines("\n".join(map(str, range(10))), 3) == ["[… 7 lines before]", "7", "8", "9"]
    assert lines("a\tb\x1b[2J") == ["a   b\\x1b[2J"]
