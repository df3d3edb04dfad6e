"""pyproject.toml: the dependencies of `[project]` (PEP 621), or of poetry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.packages import DECIDING
from tfmatrix.envs.pins.locks import line_with, python_specifier, read_toml
from tfmatrix.envs.pins.model import Pin, PinFile, exact_version, from_elsewhere, parse_requirement, pin_of


def read_pyproject(path: Path, text: str) -> PinFile:
    """The dependencies, those of optional groups marked as such, and `requires-python`."""
    data = read_toml(path, text)
    project = _table(data, "project", path)
    poetry = _table(_table(_table(data, "tool", path), "poetry", path), "dependencies", path)
    pins = [*_listed(path, text, project.get("dependencies"), "")]
    for name, listed in _table(project, "optional-dependencies", path).items():
        pins += _listed(path, text, listed, f"optional-dependencies.{name}")
    for name, listed in _table(data, "dependency-groups", path).items():
        pins += _listed(path, text, [each for each in listed if isinstance(each, str)], f"dependency-groups.{name}")
    pins += _of_poetry(path, text, poetry)
    value = project.get("requires-python") or poetry.get("python")
    line = line_with(text, "requires-python" if project.get("requires-python") else "python =")
    return PinFile(
        path=path,
        kind="pyproject.toml",
        pins=tuple(pins),
        python=python_specifier(value, path, line) if isinstance(value, str) else "",
        python_line=line if value else None,
    )


def _table(data: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    value = data.get(key) or {}
    if not isinstance(value, dict):
        raise ConfigError(f"`{key}` is not a table", file=path, key=key)
    return value


def _listed(path: Path, text: str, listed: Any, group: str) -> Iterator[Pin]:
    for each in listed or ():
        line = line_with(text, str(each)[:60])
        pin = pin_of(parse_requirement(str(each), path, line), path, line, group=group)
        if pin is not None:
            yield pin


def _of_poetry(path: Path, text: str, dependencies: Mapping[str, Any]) -> Iterator[Pin]:
    for name, entry in dependencies.items():
        package = canonicalize_name(name)
        if package not in DECIDING:
            continue
        line = line_with(text, f"{name} =") or line_with(text, name)
        # Several constraints of one package, each under its marker.
        for each in entry if isinstance(entry, list) else [entry]:
            version = each.get("version") if isinstance(each, dict) else each
            if not isinstance(version, str):
                raise from_elsewhere(package, path, line)
            specifier = SpecifierSet(python_specifier(version, path, line))
            yield Pin(
                package=package,
                version=exact_version(specifier),
                specifier=str(specifier),
                file=path,
                line=line,
                marker=str(each.get("markers") or "") if isinstance(each, dict) else "",
                group="optional" if isinstance(each, dict) and each.get("optional") else "",
            )
