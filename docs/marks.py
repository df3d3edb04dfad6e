"""Parts of pages that scripts write, between two marks."""

from __future__ import annotations

from pathlib import Path

from tfmatrix.store.content import write_atomically


def replace_between(page: Path, begin: str, end: str, text: str) -> None:
    """Puts `text` between the two marks of a page. Raises SystemExit where they are not there."""
    before, found, rest = page.read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{page} has no place for it: {begin} … {end}")
    write_atomically(page, f"{before}{begin}\n{text}\n{end}{after}")
