"""Names and texts that others wrote, made fit for a page, an address and a file name.

What `shown` returns is printable; it says nothing about markup: templates escape, scripts set text and never HTML.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import quote

from tfmatrix.core.text import escaped, one_line

NAME_LIMIT = 120

_UNSAFE = re.compile(r"[^A-Za-z0-9._+@-]+")
_SLUG_LIMIT = 60


def shown(name: object) -> str:
    """A name in one printable line."""
    return _shown(name) if isinstance(name, str) else one_line(name, NAME_LIMIT)


@lru_cache(maxsize=1 << 16)
def _shown(name: str) -> str:
    # A large run has few names, each in thousands of places.
    return one_line(name, NAME_LIMIT)


def printable(text: str) -> str:
    """A text of several lines as it is but for characters that do more than be seen: those are escaped."""
    return escaped(text, keep="\n\t")


def slugs(names: Iterable[str]) -> Mapping[str, str]:
    """A file name for each name, without an ending: itself where that is safe on every system, else with a hash."""
    cleaned = {name: _UNSAFE.sub("-", shown(name)).strip("-.")[:_SLUG_LIMIT] for name in names}
    taken = Counter(slug.casefold() for slug in cleaned.values())
    return {
        name: slug if slug == name and taken[slug.casefold()] == 1 else f"{slug or 'x'}-{_digest(name)}"
        for name, slug in cleaned.items()
    }


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def in_url(text: str) -> str:
    """A text as the value of a parameter in an address."""
    return quote(printable(text), safe="/@+.,:-" if "+" not in text else "/@.,:-")
