"""Text that others wrote (messages, names, reasons), made fit for a line of a table, a terminal, or Markdown.

Nothing that comes out of `one_line` can move a cursor, end a line, or fail to encode.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tfmatrix.core.status import CheckStatus, Status


@dataclass(frozen=True)
class Code:
    """Text to be shown to the letter: a cell id, a command, a message."""

    text: str


@dataclass(frozen=True)
class Link:
    """An address, with what it leads to: a link only where it is http(s), or a page of the same site (`is_page`)."""

    url: str
    label: str = ""
    is_page: bool = False


@dataclass(frozen=True)
class Mark:
    """Text that stands for a status, and has its colour where there are colours; `strong`: it must not be missed."""

    text: str
    status: Status | CheckStatus
    strong: bool = False


@dataclass(frozen=True)
class Strong:
    """Text that leads."""

    text: str


Piece = str | Code | Link | Mark | Strong
Inline = tuple[Piece, ...]
"""A line of a report. Plain strings are text, never markup."""

# Underscores within a word are text in GitHub's Markdown; at its edge they are emphasis.
_MARKDOWN = re.compile(r"[\\`*\[\]<~&$]|(?<![^\W_])_|_(?![^\W_])")
_ESCAPED = r"\\\g<0>"
_MARKDOWN_AT_START = re.compile(r"^([>#+=-]|\d+[.)](?=\s|$))")
# {SITE} stands in a notification for an address that is filled in later.
_URL = re.compile(r"(?:https?://|\{SITE\}/)[A-Za-z0-9._~:/?#@!$&()*+,;=%\[\]-]+")


def one_line(text: object, limit: int = 200) -> str:
    """The text in at most `limit` characters of one line: white space folded, unprintable characters escaped."""
    raw = str(text)
    # Four for each one shown is plenty, and a megabyte of output is not walked through for its first words.
    head = raw[: 4 * limit]
    shown = escaped(" ".join(head.split()))
    if len(shown) > limit or len(raw) > len(head):
        return shown[: limit - 1].rstrip() + "…"
    return shown


def escaped(text: object, *, keep: str = "") -> str:
    """The text with its unprintable characters as Python writes them in a string, but for those to `keep`.

    Nothing in it moves a cursor, reorders a line or fails to encode.
    """
    raw = str(text)
    if raw.isprintable():
        return raw
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode("ascii") for char in raw
    )


MOST_SENTENCES = 20
"""Sentences of one check that are shown; a model with a thousand lost weights must not fill a page."""


def shortened(sentences: Sequence[str], limit: int = MOST_SENTENCES) -> list[str]:
    """The sentences, with a count in place of those over the limit."""
    if len(sentences) <= limit:
        return list(sentences)
    return [*sentences[: limit - 1], f"… and {len(sentences) - limit + 1} more"]


def lines(text: object, limit: int = 2000) -> list[str]:
    """The lines of a text (a traceback) as they are, indented, each escaped; at most `limit` of them, the last ones."""
    every = [escaped(line.expandtabs(4)).rstrip() for line in str(text).rstrip("\n").split("\n")]
    if len(every) <= limit:
        return every
    return [f"[… {len(every) - limit} lines before]", *every[-limit:]]


def cut(text: object, limit: int) -> str:
    """A text of several lines, escaped, in at most `limit` characters and a note of what is missing."""
    raw = str(text)
    if len(raw) <= limit:
        return escaped(raw, keep="\n\t")
    # The end of a traceback says what was raised, so both ends are kept.
    half = limit // 2
    head, tail = escaped(raw[:half], keep="\n\t"), escaped(raw[-half:], keep="\n\t")
    return f"{head}\n[… {len(raw) - 2 * half} characters …]\n{tail}"


def number(value: float) -> str:
    """A figure as short as it is useful: `3e-4`, `0.02`, `12`, `1e6`, `nan`, `inf`."""
    if value == 0:
        return "0"
    if 0.01 <= abs(value) < 1000:
        return f"{value:.2g}" if abs(value) < 99.5 else f"{value:.0f}"
    return re.sub(r"e([+-])0?(\d)", lambda match: f"e{match[1].replace('+', '')}{match[2]}", f"{value:.0e}")


def cells(count: int) -> str:
    """`1 cell`, `2 cells`."""
    return "1 cell" if count == 1 else f"{count} cells"


def figure(value: object) -> float | None:
    """A recorded figure as a float, also where it stands as "nan" or "inf"; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and value not in ("nan", "inf", "-inf"):
        return None
    return float(value)


def with_code(text: object, limit: int = 200) -> Inline:
    """A line as it was meant (a docstring's, a sentence of ours): what stands between backticks is code."""
    line = one_line(text, limit)
    parts = line.split("`")
    if len(parts) % 2 == 0:
        return (line,)
    return tuple(Code(part) if position % 2 else part for position, part in enumerate(parts) if part)


def joined(parts: Iterable[Inline], separator: str) -> Inline:
    """Inline pieces with a separator between them."""
    result: list[Piece] = []
    for part in parts:
        if result:
            result.append(separator)
        result.extend(part)
    return tuple(result)


def plain(piece: Piece) -> str:
    """One piece as text."""
    match piece:
        case Code(text=text) | Mark(text=text) | Strong(text=text):
            return text
        case Link(url=url, label=label):
            return f"{label}: {url}" if label else url
        case _:
            return piece


def to_plain(inline: Inline | str) -> str:
    """Inline text for a terminal: code stands as it is, so that it can be copied."""
    return inline if isinstance(inline, str) else "".join(map(plain, inline))


def to_markdown(inline: Inline | str, *, in_table: bool = False) -> str:
    """Inline text as GitHub Markdown that shows it to the letter."""
    parts = (inline,) if isinstance(inline, str) else inline
    text = "".join(map(_piece_to_markdown, parts))
    text = _MARKDOWN_AT_START.sub(_escape_list_marker, text)
    # In a table a pipe must be escaped even within code (GitHub Flavored Markdown Spec, 4.10).
    return text.replace("|", "\\|") if in_table else text


def _escape_list_marker(match: re.Match[str]) -> str:
    return match[0][:-1] + "\\" + match[0][-1]


def _piece_to_markdown(piece: Piece) -> str:
    match piece:
        case Code(text=text):
            longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
            fence = "`" * (longest + 1)
            # A space keeps a backtick of the text apart from the fence; both are stripped when it is shown.
            pad = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) or not text else ""
            return f"{fence}{pad}{text}{pad}{fence}"
        case Link(url=url, label=label) if _URL.fullmatch(url):
            return f"[{_MARKDOWN.sub(_ESCAPED, label)}]({url})" if label else f"<{url}>"
        case Strong(text=text):
            return f"**{_MARKDOWN.sub(_ESCAPED, text)}**"
        case _:
            return _MARKDOWN.sub(_ESCAPED, plain(piece))


def printable(text: str) -> str:
    """The text with its line ends; every other unprintable character, such as ESC, as an escape."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(
        "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in line)
        for line in lines
    )
