"""Text that others wrote, made fit for a terminal and for Markdown: nothing in it can move a cursor or end a line.

A title or sentence of ours marks code with backticks; `to_markdown` keeps the marks and escapes the rest.
"""

from __future__ import annotations

import re

_MARKDOWN = re.compile(r"[\\*\[\]<~&$|#]|(?<![^\W_])_|_(?![^\W_])")


def escaped(text: object) -> str:
    """The text in one line of printable characters; the others as Python writes them in a string."""
    raw = str(text)
    if raw.isprintable():
        return raw
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in raw)


def one_line(text: object, limit: int = 200) -> str:
    """The text with white space folded and the unprintable escaped, in at most `limit` characters."""
    # Four for each one shown is plenty, and a megabyte is not walked through for its first words.
    raw = str(text)
    head = raw[: 4 * limit]
    shown = escaped(" ".join(head.split()))
    if len(shown) > limit or len(raw) > len(head):
        return shown[: limit - 1].rstrip() + "…"
    return shown


def lines(text: object, limit: int = 2000) -> list[str]:
    """The lines of a text (a traceback) as they are, indented, each escaped; at most `limit` of them, the last ones."""
    every = [escaped(line.expandtabs(4)).rstrip() for line in str(text).rstrip("\n").split("\n")]
    if len(every) <= limit:
        return every
    return [f"[… {len(every) - limit} lines before]", *every[-limit:]]


def code(text: object) -> str:
    """One line as code in Markdown, whatever backticks it holds."""
    shown = one_line(text, 2000)
    fence = "`" * (max((len(run) for run in re.findall(r"`+", shown)), default=0) + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") or not shown else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def to_markdown(text: object, *, in_table: bool = False) -> str:
    """One line of ours as Markdown: what stands between backticks is code, everything else is text."""
    parts = one_line(text, 2000).split("`")
    if len(parts) % 2 == 0:
        # A backtick without its partner is text.
        shown = _MARKDOWN.sub(r"\\\g<0>", "`".join(parts)).replace("`", "\\`")
    else:
        shown = "".join(
            (f"`{part}`" if part else "") if position % 2 else _MARKDOWN.sub(r"\\\g<0>", part)
            for position, part in enumerate(parts)
        )
    # A line that begins like a list, a quote or a rule.
    shown = re.sub(r"^(\d+(?=[.)](?:\s|$)))|^(?=[-+>=])", r"\1\\", shown)
    # In a table a pipe must be escaped even within code (GitHub Flavored Markdown Spec, 4.10).
    return re.sub(r"(?<!\\)\|", r"\\|", shown) if in_table else shown
