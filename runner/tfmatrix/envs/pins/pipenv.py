"""What Pipfile and Pipfile.lock have in common: entries, sources, the Python."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.packages import TENSORFLOW
from tfmatrix.envs.index import PRERELEASES
from tfmatrix.envs.pins.model import Note, Pin, not_of_an_index, pin_of
from tfmatrix.envs.pins.requirements import from_elsewhere

_MARKERS = (
    "os_name", "sys_platform", "platform_machine", "platform_python_implementation", "platform_release",
    "platform_system", "platform_version", "python_version", "python_full_version", "implementation_name",
    "implementation_version",
)  # fmt: skip
_ELSEWHERE = {"git", "path", "file", "hg", "svn", "url"}


def pin_of_entry(path: Path, line: int | None, name: str, entry: Any, group: str, notes: list[Note]) -> Pin | None:
    """A package of a Pipfile, or of pixi; None, with a note, for one that comes from elsewhere."""
    if isinstance(entry, str):
        entry = {"version": entry}
    if not isinstance(entry, dict):
        raise ConfigError(f"{name}: neither a version nor a table", file=path, line=line)
    package = canonicalize_name(name)
    if _ELSEWHERE & set(entry):
        if package in TENSORFLOW:
            raise from_elsewhere(package, path, line)
        if not entry.get("editable"):
            notes.append(not_of_an_index(path, line, name))
        return None
    version = str(entry.get("version") or "*")
    if version[:1].isdigit():
        version = f"=={version}"
    wants = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
    markers = [str(entry[key]) for key in ("markers", "env-markers") if entry.get(key)]
    markers += [f"{key} {entry[key]}" for key in _MARKERS if entry.get(key)]
    marker = " and ".join(f"({each})" for each in markers) if len(markers) > 1 else "".join(markers)
    text = f"{name}{wants}{'' if version == '*' else version}"
    return pin_of(text, path, line, group=group, marker=marker)


def python_of(requires: Mapping[str, Any]) -> str:
    """The Python as a specifier: a patch release does not matter to wheels."""
    version = str(requires.get("python_version") or requires.get("python_full_version") or "")
    return f"=={'.'.join(version.split('.')[:2])}.*" if version else ""


def sources(listed: Iterable[Any]) -> tuple[str, ...]:
    """The indexes, as options of pip: the first in place of the usual one."""
    urls = [os.path.expandvars(str(each["url"])) for each in listed if isinstance(each, dict) and each.get("url")]
    if not urls:
        return ()
    return (f"--index-url {urls[0]}", *(f"--extra-index-url {url}" for url in urls[1:]))


def prereleases(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The option that takes versions before a release, where the table `pipenv` asks for them."""
    return (PRERELEASES,) if settings.get("allow_prereleases") is True else ()
