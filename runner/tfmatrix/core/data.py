"""Text that others wrote (JSON, TOML), read as data: what is wrong with it is a ValueError, and nothing is too deep.

The parsers themselves raise RecursionError for what is nested without end, and let through what is nested so deep that
the next function that walks it does.
"""

from __future__ import annotations

import json
import tomllib
from typing import Any, Final

MAX_DEPTH: Final = 100
"""Levels of lists and mappings: far more than any file that is read has."""


def parse_json(text: str | bytes, *, depth: int = MAX_DEPTH) -> Any:
    """The value of a JSON text. Raises ValueError, a JSONDecodeError where a place can be named."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise too_deep(depth) from None
    opening = text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
    return value if opening <= depth else bounded(value, depth)


def parse_toml(text: str, *, depth: int = MAX_DEPTH) -> dict[str, Any]:
    """The tables of a TOML text. Raises ValueError, a TOMLDecodeError where a place can be named."""
    try:
        value = tomllib.loads(text)
    except RecursionError:
        raise too_deep(depth) from None
    bounded(value, depth)
    return value


def bounded(value: Any, depth: int = MAX_DEPTH) -> Any:
    """The value, which is of JSON types. Raises ValueError where it has more than so many levels."""
    level = [value]
    for _ in range(depth + 1):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return value
    raise too_deep(depth)


def too_deep(depth: int = MAX_DEPTH) -> ValueError:
    """The error for what has more levels."""
    return ValueError(f"nested deeper than {depth} levels")
