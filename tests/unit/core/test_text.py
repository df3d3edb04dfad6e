from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from tabulate import tabulate
from tfmatrix.core.text import (
    Code,
    Link,
    cut,
    escaped,
    figure,
    lines,
    number,
    one_line,
    to_markdown,
    to_plain,
    with_code,
)

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
LINE = st.text(min_size=1).map(one_line).filter(bool)
NASTY = st.text(alphabet="|`\\*_~<>&[]()!#-+=.1 ab$@:", min_size=1).map(one_line).filter(bool)


def shown(token: Token) -> str:
    """What a reader sees of inline Markdown: text and code to the letter, anything else as its tag."""
    children = token.children or []
    return "".join(child.content if child.type in ("text", "code_inline") else f"<{child.type}>" for child in children)


@given(st.text())
def test_one_line_is_one_printable_line(text: str) -> None:
    line = one_line(text, 50)
    assert len(line) <= 50
    assert line == "" or line.isprintable()
    line.encode()


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"]), max_size=50))
def test_what_is_harmless_is_kept(text: str) -> None:
    assert one_line(text, 50) == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\n\tb\r\nc", "a b c"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("bell\x07", r"bell\x07"),
        ("\u202eevil", r"\u202eevil"),
        ("lone \udc80", r"lone \udc80"),
        ("ünï ✓", "ünï ✓"),
        ("x" * 30, "x" * 19 + "…"),
        (" " * 500 + "far", "…"),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text, 20 if "xx" in text or "far" in text else 200) == line


def test_a_megabyte_is_cut() -> None:
    assert len(one_line("\x1b" * 2**20, 80)) == 80


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (3.04e-4, "3e-4"), (0.0312, "0.031"), (0.5, "0.5"), (12.0, "12"), (99.9, "100"), (1.5e6, "2e6"),
        (1e-300, "1e-300"), (math.nan, "nan"), (math.inf, "inf"), (9.96e-3, "1e-2"), (-2.4e-5, "-2e-5"),
    ],
)  # fmt: skip
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False).filter(bool))
def test_a_short_number_has_the_size_of_the_number(value: float) -> None:
    assert len(number(value)) <= 7
    # The largest doubles round up to infinity; the smallest ones have less than one digit.
    if 1e-300 < abs(value) < 1e300:
        assert float(number(value)) == pytest.approx(value, rel=0.5)


@pytest.mark.parametrize(
    ("recorded", "value"),
    [
        (1, 1.0),
        (0.5, 0.5),
        ("inf", math.inf),
        ("-inf", -math.inf),
        ("1", None),
        ("x", None),
        (True, None),
        (None, None),
    ],
)
def test_figures(recorded: object, value: float | None) -> None:
    assert figure(recorded) == value


def test_a_recorded_nan_is_a_figure() -> None:
    assert math.isnan(figure("nan") or 0)


@given(LINE | NASTY)
@example("a|b\\|c\\\\|d")
@example("__init__ and a_b")
@example("1. not a list")
@example("# no title")
@example("---")
@example("=")
@example("&amp; <b>")
@example("~~gone~~")
def test_markdown_shows_text_to_the_letter(text: str) -> None:
    paragraph, content, _ = MARKDOWN.parse(to_markdown(text))
    assert paragraph.type == "paragraph_open"
    assert shown(content) == text


@given(LINE | NASTY)
@example("``two`` and `one`")
@example("`")
@example(" ` ")
def test_markdown_shows_code_to_the_letter(text: str) -> None:
    _, content, _ = MARKDOWN.parse("x " + to_markdown((Code(text),)))
    assert shown(content) == "x " + text


@given(st.lists(st.tuples(LINE | NASTY, st.booleans()), min_size=1, max_size=4))
def test_markdown_tables_keep_their_cells(cells: list[tuple[str, bool]]) -> None:
    row = [to_markdown((Code(text),) if is_code else text, in_table=True) for text, is_code in cells]
    table = tabulate([row], headers=["h"] * len(row), tablefmt="pipe", disable_numparse=True)
    tokens = MARKDOWN.parse(table)
    assert tokens[0].type == "table_open"
    body = [token for token in tokens if token.type == "inline"][len(row) :]
    assert [shown(token) for token in body] == [text for text, _ in cells]


def test_only_web_addresses_are_links() -> None:
    assert to_markdown((Link("https://github.com/a/b/issues/1"),)) == "<https://github.com/a/b/issues/1>"
    assert to_markdown((Link("javascript:alert(1)"),)) == "javascript:alert(1)"
    assert to_markdown((Link("https://a.b/<script>"),)) == r"https://a.b/\<script>"
    assert to_plain((Link("https://a.b/c"), " ", Code("x"))) == "https://a.b/c x"


def test_backticks_of_a_docstring_are_code() -> None:
    assert with_code("A `tf.Variable` is lost") == ("A ", Code("tf.Variable"), " is lost")
    assert with_code("one ` alone") == ("one ` alone",)


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
    assert to_markdown(with_code(text)) == expected


def test_pipes_are_escaped_in_tables_only() -> None:
    assert to_markdown(with_code("a|`b|c`"), in_table=True) == r"a\|`b\|c`"


@given(st.text(max_size=60))
def test_any_lines_are_printable(text: str) -> None:
    assert all(line.isprintable() for line in lines(text))
    assert escaped(text).isprintable()


def test_only_the_last_lines_of_a_long_text_are_shown() -> None:
    assert lines("\n".join(map(str, range(10))), 3) == ["[… 7 lines before]", "7", "8", "9"]
    assert lines("a\tb\x1b[2J") == ["a   b\\x1b[2J"]


def test_of_a_long_text_both_ends_are_kept() -> None:
    assert cut("begin\x1b" + "x" * 100 + "end", 12) == "begin\\x1b\n[… 97 characters …]\nxxxend"
    assert cut("short\n", 12) == "short\n"
