"""poetry.lock: the versions in it, for what the pyproject.toml beside it asks for.

The dependencies are read from that file by Poetry's own library; the lock limits every package to its version, and the
resolver follows the dependencies, as Poetry does when it installs. Where versions alone do not say it, Poetry exports.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.packages import TENSORFLOW
from tfmatrix.envs.pins.declared import read_declared
from tfmatrix.envs.pins.export import export_poetry, needs_its_tool
from tfmatrix.envs.pins.model import Note, Pin, PinFile, line_with, not_of_an_index, overrides_of_lock, python_specifier
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.pins.requirements import from_elsewhere
from tfmatrix.envs.pins.text import read_text, read_toml, table
from tfmatrix.envs.uv import Uv

KIND = "poetry.lock"
NAMES = ("poetry.lock",)
RANK = Rank.LOCK
MADE_OF = ("pyproject.toml", "setup.cfg", "setup.py")

_EXTRA = re.compile(r"""extra == ["']([^"']+)["']""")


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """What the main group installs; what extras and other groups add is marked as such."""
    data = read_toml(path, text)
    packages = data.get("package") or []
    if not isinstance(packages, list) or not all(isinstance(each, dict) for each in packages):
        raise ConfigError("`package` is not a list of tables", file=path, expected="the file as Poetry wrote it")
    metadata = table(data, "metadata", file=path)
    value = metadata.get("python-versions")
    line = line_with(text, 'python-versions = "', "python-versions")
    python = python_specifier(value, path, line) if isinstance(value, str) else ""
    notes: list[Note] = []
    pins = _pins(path, text, packages, table(data, "extras", file=path), notes)
    alone = PinFile(
        path=path,
        kind=KIND,
        pins=tuple(pins),
        python=python,
        python_line=line,
        notes=tuple(notes),
        extras=tuple(table(data, "extras", file=path)),
        groups=tuple(dict.fromkeys(pin.group for pin in pins if pin.group)),
    )
    declaration = path.parent / "pyproject.toml"
    if not declaration.is_file():
        return alone
    declared = read_declared(declaration, read_text(declaration), uv)
    if needs_its_tool(packages):
        try:
            return export_poetry(path, text, declared, uv)
        except ConfigError as error:
            # Seen of locks of Poetry 1 with two versions of one package: "Dependency walk failed".
            why = error.what.removeprefix(f"{path}: ")
            said = Note(file=path, what=f"{why}: packages with several versions are resolved anew")
            alone = replace(alone, notes=(*alone.notes, said))
    return joined(alone, declared, declaration)


def joined(lock: PinFile, declared: PinFile, declaration: Path) -> PinFile:
    """What the declaration asks for, at the versions of the lock."""
    times = Counter(pin.package for pin in lock.pins if not pin.marker)
    limits = [
        # Several versions of one package, without the markers that choose between them: the requirements choose.
        replace(pin, is_constraint=True, extra="", group="", wants=())
        for pin in lock.pins
        if pin.marker or times[pin.package] == 1
    ]
    locked: dict[str, list[Pin]] = {}
    for pin in lock.pins:
        locked.setdefault(pin.package, []).append(pin)
    asked = [_at(pin, locked.get(pin.package, [])) for pin in declared.pins]
    return replace(
        declared,
        path=lock.path,
        kind=lock.kind,
        pins=(*asked, *limits),
        python=lock.python or declared.python,
        python_line=lock.python_line if lock.python else declared.python_line,
        notes=tuple(dict.fromkeys((*declared.notes, *lock.notes))),
        wanted=tuple(sorted({pin.package for pin in declared.pins})),
        reads=(declaration,),
        overrides=overrides_of_lock(declared.overrides, lock.pins),
    )


def _at(pin: Pin, locked: list[Pin]) -> Pin:
    """The requirement as the lock answers it: at its one version, and at its place."""
    if len(locked) != 1 or pin.is_constraint:
        return pin
    one = locked[0]
    return replace(pin, version=one.version, specifier=one.specifier, file=one.file, line=one.line)


def _pins(path: Path, text: str, packages: list[Any], extras: dict[str, Any], notes: list[Note]) -> list[Pin]:
    lines = [number for number, line in enumerate(text.splitlines(), start=1) if line.strip() == "[[package]]"]
    of_extra = {
        canonicalize_name(re.split(r"[ \[(<>=!~;]", str(each))[0]): name
        for name, listed in extras.items()
        for each in listed or ()
    }
    pins = []
    for number, each in enumerate(packages):
        name = canonicalize_name(str(each.get("name") or ""))
        version = each.get("version")
        line = lines[number] if number < len(lines) else None
        kind = (each.get("source") or {}).get("type") or ""
        if not isinstance(version, str) or kind in ("git", "url", "file", "directory"):
            if name in TENSORFLOW:
                raise from_elsewhere(name, path, line)
            if kind != "directory":
                notes.append(not_of_an_index(path, line, name))
            continue
        marker, extra = _marker(each)
        groups = each.get("groups") or [{"dev": "dev"}.get(str(each.get("category")), "main")]
        pins.append(
            Pin(
                package=name,
                version=version,
                specifier=f"=={version}",
                file=path,
                line=line,
                marker=marker,
                extra=extra or (of_extra.get(name, "") if each.get("optional") else ""),
                group="" if "main" in groups else str(groups[0]),
            )
        )
    return pins


def _marker(package: dict[str, Any]) -> tuple[str, str]:
    """The marker of a package in the main group, and the extra that it names."""
    markers = package.get("markers") or ""
    if isinstance(markers, dict):
        markers = markers.get("main") or ""
    found = _EXTRA.search(str(markers))
    if found is None:
        return str(markers), ""
    rest = _EXTRA.sub("", str(markers)).strip()
    rest = re.sub(r"^(and|or)\b|\b(and|or)$", "", rest).strip()
    return ("" if "extra" in rest or re.search(r"\(\s*\)|\b(and|or)\s+(and|or)\b", rest) else rest), found[1]
