"""requirements.txt and its like, as pip reads them: continued lines, hashes, markers, `-r` and `-c`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.packages import DECIDING
from tfmatrix.envs.pins.model import Include, Pin, from_elsewhere, parse_requirement, pin_of

_INCLUDE = re.compile(r"(?:-(?P<short>[rc])\s*|--(?P<long>requirement|constraint)[\s=]\s*)(?P<file>.+)")
_OPTIONS = re.compile(r"\s--?[A-Za-z].*$")
_COMMENT = re.compile(r"(^|\s)#.*$")
_ADDRESS = re.compile(r"^(?:[A-Za-z][A-Za-z0-9+.-]*://|git\+|\.{0,2}/|[A-Za-z]:\\|.*\.(?:whl|zip|tar\.gz)$|\.$|\.\[)")
_WHEEL = re.compile(r"(?:^|/)(?P<name>[A-Za-z0-9_.]+?)-\d[^/]*\.whl")


def read_requirements(path: Path, text: str, include: Include) -> tuple[Pin, ...]:
    """The pins of a requirements file and of those that it includes."""
    return tuple(_read(path, text, include, (path,), is_constraint=False))


def _read(path: Path, text: str, include: Include, seen: tuple[Path, ...], *, is_constraint: bool) -> Iterator[Pin]:
    for number, line in _logical_lines(text):
        if (match := _INCLUDE.fullmatch(line)) is not None:
            yield from _included(path, number, match, include, seen, is_constraint=is_constraint)
        elif line.startswith("-"):
            # An index, a switch, or an editable project: nothing of these pins TensorFlow.
            continue
        else:
            pin = _pin(path, number, line, is_constraint=is_constraint)
            if pin is not None:
                yield pin


def _included(
    path: Path, number: int, match: re.Match[str], include: Include, seen: tuple[Path, ...], *, is_constraint: bool
) -> Iterator[Pin]:
    name = match["file"].strip().strip("'\"")
    if "://" in name:
        raise ConfigError(
            f"includes {name}, which is not a file", file=path, line=number, expected="a file beside this one"
        )
    other = path.parent / name
    if other in seen:
        raise ConfigError(
            f"includes {name}, which includes this file again", file=path, line=number, fix="remove one of the two"
        )
    try:
        text = include(other)
    except OSError as error:
        raise ConfigError(
            f"includes {name}, which cannot be read: {error.strerror or error}", file=path, line=number
        ) from error
    limits = is_constraint or "c" in (match["short"] or match["long"])[:1]
    yield from _read(other, text, include, (*seen, other), is_constraint=limits)


def _pin(path: Path, number: int, line: str, *, is_constraint: bool) -> Pin | None:
    text = _OPTIONS.sub("", line).strip()
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        if not _ADDRESS.match(text):
            parse_requirement(text, path, number)
        wheel = _WHEEL.search(text)
        if wheel and canonicalize_name(wheel["name"]) in DECIDING:
            raise from_elsewhere(canonicalize_name(wheel["name"]), path, number) from None
        return None
    return pin_of(requirement, path, number, is_constraint=is_constraint)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, continued ones joined, each with the number of its first line; no empty ones."""
    parts: list[str] = []
    first = 0
    for number, raw in enumerate(text.splitlines(), start=1):
        if not parts:
            first = number
        line = _COMMENT.sub("", raw)
        continued = line.endswith("\\")
        parts.append(line[:-1] if continued else line)
        if not continued:
            joined, parts = " ".join(parts).strip(), []
            if joined:
                yield first, joined
    if (joined := " ".join(parts).strip()) != "":
        yield first, joined
