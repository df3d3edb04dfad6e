"""pylock.toml and pylock.NAME.toml (PEP 751)."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.pylock import Package, Pylock, PylockValidationError

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.packages import TENSORFLOW
from tfmatrix.envs.pins.model import Note, Pin, PinFile, line_with, not_of_an_index
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.pins.requirements import from_elsewhere
from tfmatrix.envs.pins.text import read_toml
from tfmatrix.envs.uv import Uv

KIND = "pylock.toml"
NAMES = ("pylock.toml", "pylock.*.toml")
RANK = Rank.LOCK
MADE_OF = ("pyproject.toml", "setup.cfg", "setup.py")

_PART = re.compile(r"'(?P<name>[^']+)' in (?P<what>extras|dependency_groups)|\"(?P<name2>[^\"]+)\" in (?P<what2>\w+)")


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """Every package of the lock; those of extras and dependency groups marked as such."""
    data = read_toml(path, text)
    # The files of a package are not looked at here: a lock that is cut down to names and versions is read, too, and one
    # without hashes.
    for each in data.get("packages") or ():
        if not isinstance(each, dict) or {"vcs", "directory"} & set(each):
            continue
        if isinstance(each.get("archive"), dict):
            each["archive"]["hashes"] = each["archive"].get("hashes") or {"sha256": "0"}
            continue
        name = f"{each.get('name')}-{each.get('version')}.tar.gz"
        each.pop("wheels", None)
        each["sdist"] = {"name": name, "url": f"https://example.org/{name}", "hashes": {"sha256": "0"}}
    try:
        lock = Pylock.from_dict(data)
    except (PylockValidationError, ValueError) as error:
        raise ConfigError(
            f"not a lock by PEP 751: {error}", file=path, expected="the file as its tool wrote it"
        ) from error
    notes: list[Note] = []
    pins = [pin for package in lock.packages if (pin := _pin(path, text, package, notes)) is not None]
    return PinFile(
        path=path,
        kind=KIND,
        pins=tuple(pins),
        python=str(lock.requires_python or ""),
        python_line=line_with(text, "requires-python"),
        notes=tuple(notes),
        extras=tuple(lock.extras or ()),
        groups=tuple(each for each in lock.dependency_groups or () if each not in (lock.default_groups or ())),
    )


def _pin(path: Path, text: str, package: Package, notes: list[Note]) -> Pin | None:
    line = line_with(text, f'name = "{package.name}"')
    if package.directory is not None:
        return None  # the project itself, or a part of it
    if package.vcs is not None or package.archive is not None or package.version is None:
        if package.name in TENSORFLOW:
            raise from_elsewhere(package.name, path, line)
        notes.append(not_of_an_index(path, line, package.name))
        return None
    marker = str(package.marker or "")
    part = _PART.search(marker)
    what = (part["what"] or part["what2"]) if part else ""
    name = (part["name"] or part["name2"]) if part else ""
    return Pin(
        package=package.name,
        version=str(package.version),
        specifier=f"=={package.version}",
        file=path,
        line=line,
        marker="" if part else marker,
        extra=name if what == "extras" else "",
        group=name if what == "dependency_groups" else "",
    )
