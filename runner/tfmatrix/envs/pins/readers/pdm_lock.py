"""pdm.lock: the versions in it, for what the pyproject.toml beside it asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.packages import TENSORFLOW
from tfmatrix.envs.pins.declared import read_declared
from tfmatrix.envs.pins.export import export_pdm, needs_its_tool
from tfmatrix.envs.pins.model import Note, Pin, PinFile, line_with, not_of_an_index, python_specifier
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.pins.readers.poetry_lock import joined
from tfmatrix.envs.pins.requirements import from_elsewhere
from tfmatrix.envs.pins.text import read_text, read_toml, table
from tfmatrix.envs.uv import Uv

KIND = "pdm.lock"
NAMES = ("pdm.lock", "pdm.*.lock")
RANK = Rank.LOCK
MADE_OF = ("pyproject.toml", "setup.cfg", "setup.py")


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """What the group `default` installs; what other groups add is marked as such."""
    data = read_toml(path, text)
    packages = data.get("package") or []
    if not isinstance(packages, list) or not all(isinstance(each, dict) for each in packages):
        raise ConfigError("`package` is not a list of tables", file=path, expected="the file as PDM wrote it")
    targets = table(data, "metadata", file=path).get("targets") or []
    pythons = {str(each.get("requires_python") or "") for each in targets if isinstance(each, dict)}
    line = line_with(text, "requires_python")
    notes: list[Note] = []
    pins = [pin for each in packages if (pin := _pin(path, text, each, notes)) is not None]
    alone = PinFile(
        path=path,
        kind=KIND,
        pins=tuple(pins),
        python=python_specifier(pythons.pop(), path, line) if len(pythons) == 1 else "",
        python_line=line,
        notes=tuple(notes),
        groups=tuple(dict.fromkeys(pin.group for pin in pins if pin.group)),
    )
    declaration = path.parent / "pyproject.toml"
    if not declaration.is_file():
        return alone
    declared = read_declared(declaration, read_text(declaration), uv)
    if needs_its_tool(packages):
        return export_pdm(path, text, declared, uv)
    return joined(alone, declared, declaration)


def _pin(path: Path, text: str, package: dict[str, Any], notes: list[Note]) -> Pin | None:
    name = canonicalize_name(str(package.get("name") or ""))
    line = line_with(text, f'name = "{package.get("name")}"')
    version = package.get("version")
    if "extras" in package:
        return None  # the same package again, with what its extras need
    if "path" in package and package.get("editable"):
        return None
    if not isinstance(version, str) or {"git", "url", "path"} & set(package):
        if name in TENSORFLOW:
            raise from_elsewhere(name, path, line)
        notes.append(not_of_an_index(path, line, name))
        return None
    groups = package.get("groups") or ["default"]
    return Pin(
        package=name,
        version=version,
        specifier=f"=={version}",
        file=path,
        line=line,
        marker=str(package.get("marker") or ""),
        group="" if "default" in groups else str(groups[0]),
    )
