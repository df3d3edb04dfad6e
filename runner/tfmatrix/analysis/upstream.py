"""Threads and documents upstream about common causes: upstream.toml, a table of pattern and link."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from tfmatrix.core.status import Status

UPSTREAM_FILE = Path(__file__).with_name("upstream.toml")


@dataclass(frozen=True, kw_only=True)
class Upstream:
    """A link, and in a few words what stands there."""

    url: str
    about: str


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A row: `pattern` is searched in the cause's title and in what the example cell said."""

    pattern: re.Pattern[str]
    link: Upstream
    formats: tuple[str, ...]
    status: tuple[Status, ...]


def find_upstream(*, title: str, text: str, status: Status, formats: Collection[str]) -> tuple[Upstream, ...]:
    """What is known upstream about a cause. A row counts where it fits one of the cause's formats.

    Of a drift the title alone counts: its text has all that was found in the example, other causes, too.
    """
    said = (title,) if status is Status.DRIFT else (title, text)
    return tuple(
        entry.link
        for entry in read_upstream()
        if any(map(entry.pattern.search, said))
        and (not entry.status or status in entry.status)
        and any(fnmatchcase(name, glob) for glob in entry.formats for name in formats)
    )


def is_tabled(url: str) -> bool:
    """Whether a row has this link."""
    return any(entry.link.url == url for entry in read_upstream())


@cache
def read_upstream(path: Path = UPSTREAM_FILE) -> tuple[_Entry, ...]:
    """The rows. Raises ValueError, which names the row, where one is not of the documented shape."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["link"]
    entries = []
    for row in rows:
        unknown = row.keys() - {"pattern", "url", "about", "formats", "status"}
        if unknown:
            raise ValueError(f"{path.name}: {row.get('url')}: unknown key {sorted(unknown)[0]}")
        try:
            entries.append(
                _Entry(
                    pattern=re.compile(row["pattern"]),
                    link=Upstream(url=row["url"], about=row["about"]),
                    formats=tuple(row.get("formats", ["*"])),
                    status=tuple(map(Status, row.get("status", []))),
                )
            )
        except (KeyError, ValueError, re.error) as error:
            raise ValueError(f"{path.name}: {row.get('url')}: {error}") from error
    return tuple(entries)
