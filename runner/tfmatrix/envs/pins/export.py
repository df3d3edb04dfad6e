"""Locks that their own tool must read: Poetry and PDM, run by uv in an environment of their own.

A lock with one version of each package, all from an index, is read here (`poetry_lock.py`, `pdm_lock.py`). With several
versions of one package, or packages of repositories and folders, only the tool knows what is installed where.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tfmatrix.core.errors import ConfigError
from tfmatrix.envs.pins.model import Pin, PinFile, line_of, overrides_of_lock
from tfmatrix.envs.pins.requirements import read_requirements
from tfmatrix.envs.uv import Uv

TOOLS_AS_OF: Final = "2026-06-01T00:00:00Z"
"""The tools of this day, and what they need: a later PDM has died of a later release of its cache library."""

_POETRY: Final = ("--from", "poetry", "--with", "poetry-plugin-export", "poetry", "export", "--without-hashes")
_PDM: Final = ("--from", "pdm", "pdm", "export", "--format", "requirements", "--no-hashes")

_VARIABLES: Final = {"PDM_CHECK_UPDATE": "0", "PDM_USE_VENV": "0", "POETRY_VIRTUALENVS_CREATE": "false"}
"""Nothing is made for the project beside its file."""


def needs_its_tool(packages: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a lock has several versions of one package, or one that does not come from an index."""
    seen: dict[str, str] = {}
    for each in packages:
        name, version = str(each.get("name")), str(each.get("version"))
        if seen.setdefault(name, version) != version:
            return True
        if {"git", "url", "path"} & set(each) or (each.get("source") or {}).get("type") in _ELSEWHERE:
            return True
    return False


_ELSEWHERE: Final = ("git", "url", "file", "directory")


def export_poetry(path: Path, text: str, declared: PinFile, uv: Uv) -> PinFile:
    """What `poetry install` of a poetry.lock installs; ConfigError with Poetry's words where it does not read it."""
    parts = [("main", ["--only", "main"])]
    parts += [(f"extra {each}", ["--only", "main", "--extras", each]) for each in declared.extras]
    parts += [(f"group {each}", ["--with", each]) for each in declared.groups]
    return _exported(path, text, declared, uv, _POETRY, parts)


def export_pdm(path: Path, text: str, declared: PinFile, uv: Uv) -> PinFile:
    """What `pdm sync` of a pdm.lock installs; ConfigError with PDM's words where it does not read it."""
    lock = ["--lockfile", str(path.resolve())]
    parts = [("main", [*lock, "--prod"])]
    parts += [(f"extra {each}", [*lock, "--prod", "--group", each]) for each in declared.extras]
    # It takes no group for development together with --prod.
    parts += [(f"group {each}", [*lock, "--no-default", "--group", each]) for each in declared.groups]
    return _exported(path, text, declared, uv, _PDM, parts)


def _exported(
    path: Path, text: str, declared: PinFile, uv: Uv, tool: Sequence[str], parts: Sequence[tuple[str, Sequence[str]]]
) -> PinFile:
    found = [_export(path, text, uv, tool, options) for _, options in parts]
    production = found[0]
    known = {pin.requirement for pin in production.pins}
    pins = list(production.pins)
    for (part, _), one in zip(parts[1:], found[1:], strict=True):
        kind, _, name = part.partition(" ")
        more = [pin for pin in one.pins if pin.requirement not in known]
        pins += [replace(pin, extra=name) if kind == "extra" else replace(pin, group=name) for pin in more]
    return replace(
        production,
        pins=tuple(pins),
        options=tuple(dict.fromkeys((*production.options, *declared.options))),
        python=declared.python,
        python_line=declared.python_line,
        extras=declared.extras,
        groups=declared.groups,
        default_groups=declared.default_groups,
        overrides=overrides_of_lock(declared.overrides, pins),
        wanted=tuple(sorted({pin.package for pin in declared.pins})),
    )


def _export(path: Path, text: str, uv: Uv, tool: Sequence[str], options: Sequence[str]) -> PinFile:
    command = ["tool", "run", "--quiet", "--isolated", "--exclude-newer", TOOLS_AS_OF, "--no-python-downloads", *tool]
    with tempfile.TemporaryDirectory(prefix="tfmatrix-export-") as folder:
        project = path.parent.resolve()
        if tool is _PDM:
            # It writes into its project, and does not ask whether the folders that the project names are there.
            project = Path(folder)
            shutil.copyfile(path.parent / "pyproject.toml", project / "pyproject.toml")
        target = Path(folder, "requirements.txt")
        result = uv.run([*command, "--project", str(project), *options, "--output", str(target)], _VARIABLES)
        exported = target.read_text(encoding="utf-8") if result.succeeded and target.exists() else ""
    if not exported:
        if result.is_of_network:
            raise uv.failure(f"{path} needs its own tool, which cannot be had:", result)
        said = [line.strip() for line in (result.stderr or result.stdout).splitlines() if line.strip()]
        raise ConfigError(
            f"{tool[1]} export: {said[-1] if said else 'no answer'}",
            file=path,
            expected="the lock of the pyproject.toml beside it",
            fix="export it where it is for, and name that: --to requirements.txt",
        )
    found = read_requirements(path, exported)
    return replace(found, pins=tuple(_placed(pin, text) for pin in found.pins))


def _placed(pin: Pin, text: str) -> Pin:
    return replace(pin, line=line_of(text, f'name = "{pin.package}"'))
