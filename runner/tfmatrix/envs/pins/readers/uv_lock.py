"""uv.lock, as `uv export` gives it back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfmatrix.core.errors import ConfigError
from tfmatrix.envs.pins.declared import read_declared
from tfmatrix.envs.pins.model import Pin, PinFile, line_of, overrides_of_lock
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.pins.requirements import read_requirements
from tfmatrix.envs.pins.text import read_text, read_toml, table
from tfmatrix.envs.uv import Uv

KIND = "uv.lock"
NAMES = ("uv.lock",)
RANK = Rank.LOCK
MADE_OF = ("pyproject.toml", "setup.cfg", "setup.py")

_OPTIONS = ("--frozen", "--no-default-groups", "--no-emit-workspace", "--no-emit-local", "--no-hashes", "--no-header")
_MORE = ("--no-annotate", "--emit-index-url", "--no-python-downloads", "--quiet")


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """What `uv sync --no-dev` installs; what an extra or a group adds is marked as such."""
    return read_project(path, path.parent, text, uv)


def read_project(path: Path, folder: Path, text: str, uv: Uv) -> PinFile:
    """The part of a lock that the project in `folder` installs; in a workspace, the lock lies above it."""
    declaration = folder / "pyproject.toml"
    if not declaration.is_file():
        raise ConfigError(
            "a lock of uv cannot be read without its pyproject.toml",
            file=path,
            expected=f"{declaration}",
            fix="export it where that is: uv export --no-dev -o requirements.txt",
        )
    manifest = table(read_toml(path, text), "manifest", file=path)
    declared = read_declared(declaration, read_text(declaration), uv)
    is_virtual = not read_toml(declaration, read_text(declaration)).get("project")
    whole = ["--all-packages"] if is_virtual else []
    production = _export(path, folder, text, uv, whole)
    known = {pin.requirement for pin in production.pins}
    pins = list(production.pins)
    for extra in declared.extras:
        found = _export(path, folder, text, uv, [*whole, "--extra", extra]).pins
        pins += [replace(pin, extra=extra) for pin in found if pin.requirement not in known]
    for group in declared.groups:
        found = _export(path, folder, text, uv, [*whole, "--group", group]).pins
        pins += [replace(pin, group=group) for pin in found if pin.requirement not in known]
    return replace(
        declared,
        path=path,
        kind=KIND,
        pins=tuple(pins),
        options=tuple(dict.fromkeys((*production.options, *declared.options))),
        notes=tuple(dict.fromkeys((*declared.notes, *production.notes))),
        wanted=tuple(sorted({pin.package for pin in declared.pins})),
        reads=(declaration,),
        overrides=overrides_of_lock(_overrides(manifest), pins),
    )


def _overrides(manifest: dict[str, Any]) -> Iterator[str]:
    """Those of the whole workspace, as the lock says them."""
    for each in manifest.get("overrides") or ():
        marker = f" ; {each['marker']}" if each.get("marker") else ""
        yield f"{each['name']}{each.get('specifier', '')}{marker}"


def _export(path: Path, folder: Path, text: str, uv: Uv, options: list[str]) -> PinFile:
    result = uv.run(["export", "--directory", str(folder.resolve()), *_OPTIONS, *_MORE, *options])
    if not result.succeeded:
        said = result.stderr.strip().removeprefix("error: ").splitlines()
        raise ConfigError(
            f"uv export: {said[0] if said else 'no answer'}", file=path, expected="the lock of the pyproject.toml here"
        )
    exported = read_requirements(path, result.stdout)
    return replace(exported, pins=tuple(_placed(pin, text) for pin in exported.pins))


def _placed(pin: Pin, text: str) -> Pin:
    return replace(pin, line=line_of(text, f'name = "{pin.package}"'))
