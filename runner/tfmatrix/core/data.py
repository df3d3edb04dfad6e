"""Text that others wrote (JSON, TOML), read as data: what is wrong with it is a ValueError, and nothing is too deep.

The parsers themselves raise RecursionError for what is nested without end, and let through what is nested so deep that
the next function that walks it does.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any, Final

MAX_DEPTH: Final = 100
"""Levels of lists and mappings: far more than any file that is read has."""


_NO_BRACKETS: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[^][{}"]+', re.DOTALL)
"""In a JSON text everything but brackets: texts with what they hold, and the rest."""
_LEAVES: Final = re.compile(r"\[\]|\{\}")


def parse_json(text: str | bytes, *, depth: int = MAX_DEPTH) -> Any:
    """The value of a JSON text. Raises ValueError, a JSONDecodeError where a place can be named."""
    if isinstance(text, bytes | bytearray):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    try:
        value = json.loads(text)
    except RecursionError:
        raise too_deep(depth) from None
    if text.count("[") + text.count("{") > depth and _levels(text, depth) > depth:
        raise too_deep(depth)
    return value


def _levels(text: str, at_most: int) -> int:
    """How many levels the brackets of a JSON text have; where these are more than `at_most`, a number above it."""
    brackets = _NO_BRACKETS.sub("", text)
    levels = 0
    while brackets and levels <= at_most:
        brackets = _LEAVES.sub("", brackets)
        levels += 1
    return levels


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
