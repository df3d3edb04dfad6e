"""What the files of conda and pixi have in common: versions in conda's notation, and what no package index has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.packages import DECIDING
from tfmatrix.envs.pins.model import Note, Pin, exact_version

TAKEN = DECIDING
"""Names that mean the same for conda and for the package index."""


def pin_of_conda(name: str, specifier: str, path: Path, line: int | None, *, group: str = "") -> Pin:
    """A package of conda that the package index has under the same name."""
    version = exact_version(SpecifierSet(specifier))
    return Pin(package=name, version=version, specifier=specifier, file=path, line=line, group=group)


def left_out(path: Path, names: list[str]) -> list[Note]:
    """The note on packages of conda that are not those of the package index."""
    if not names:
        return []
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return [Note(file=path, what=f"{shown}: packages of conda, not of the package index: left out")]


def conda_specifier(text: str, path: Path, line: int | None) -> str:
    """Conda's notation as a specifier: `=2.15` is any 2.15, `=2.15.0=build` and `==2.15.0` are one version."""
    # The build, by its name or a glob, says how a version was compiled: `=1.26.*=py311*`, `1.26.4 py311h1`.
    value = re.sub(r"^(=?[\d.]+\.\*)(?:=\S+|\s+\S+)$", r"\1", text.strip())
    exact = re.fullmatch(r"={1,2}\s*(?P<version>[^=,<>!~*\s]+)(?P<build>=\S+)?", value)
    if exact is not None:
        is_one = value.startswith("==") or exact["build"]
        value = f"=={exact['version']}" + ("" if is_one else ".*")
    elif re.fullmatch(r"=?\d[\w.]*\.\*", value):
        value = f"=={value.lstrip('=')}"
    elif re.fullmatch(r"\d[\w.]*(?:\s+\S+)?", value):
        value = f"=={value.split()[0]}"
    elif "|" in value:
        return ""
    try:
        return str(SpecifierSet(value))
    except InvalidSpecifier as error:
        raise ConfigError(
            f"not a version: {text.strip()!r}", file=path, line=line, expected="such as =2.15.0"
        ) from error


def entries(data: Any) -> list[Any]:
    """A list, or nothing."""
    return data if isinstance(data, list) else []
