"""Scenarios that lie elsewhere: in packages that name them as entry points of the group `tfmatrix_scenarios`.

    [project.entry-points.tfmatrix_scenarios]
    models = "app.scenarios"

The value names a module that is a scenario, or a package of which every module is one. Nothing is imported here.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from tfmatrix.core.data import parse_toml
from tfmatrix.core.errors import ConfigError
from tfmatrix.core.files import read_bounded

GROUP: Final = "tfmatrix_scenarios"


@dataclass(frozen=True, kw_only=True)
class Discovered:
    """A scenario file, and the folder that its code lies in; of an installed one, the packages that are its own."""

    path: Path
    source_folder: Path
    packages: tuple[Path, ...] = ()


def discover(root: Path, source_folders: Sequence[Path]) -> tuple[Discovered, ...]:
    """Those that the project's own pyproject.toml names, then those of packages installed beside tfmatrix.

    Raises ConfigError for an entry point of the project that names no module.
    """
    found: dict[Path, Discovered] = {}
    for name, value in _of_project(root):
        module = value.partition(":")[0].strip()
        files = [each for folder in source_folders for each in _files(folder, module)]
        if not files:
            raise ConfigError(
                f'the entry point {name} = "{value}" names no module of the project',
                file=root / "pyproject.toml",
                key=f"project.entry-points.{GROUP}",
                expected="a module, or a package whose modules are scenarios",
            )
        for each in files:
            found.setdefault(each.path.resolve(), each)
    for point in importlib.metadata.entry_points(group=GROUP):
        place = _place_of(point.module.partition(".")[0])
        if place is None or point.dist is None:
            continue
        # Beside it lie the packages of this machine: a worker has those of its environment.
        names = {file.parts[0] for file in point.dist.files or () if file.suffix == ".py"}
        packages = (place, *(place.parent / name for name in sorted(names)))
        for each in _files(place.parent, point.module):
            found.setdefault(each.path.resolve(), replace(each, packages=tuple(dict.fromkeys(packages))))
    return tuple(found.values())


def _place_of(name: str) -> Path | None:
    """The folder of an installed package, or the file of a module, also of one that is edited where it lies."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    places = list(spec.submodule_search_locations or ()) or [spec.origin or ""]
    return Path(places[0])


def _of_project(root: Path) -> list[tuple[str, str]]:
    try:
        data = parse_toml(read_bounded(root / "pyproject.toml").decode("utf-8"))
    except (OSError, ValueError):
        return []
    points: Any = data
    for key in ("project", "entry-points", GROUP):
        points = points.get(key) if isinstance(points, dict) else None
    if not isinstance(points, dict):
        return []  # pyproject.toml is somebody else's: what is wrong with it is told by its own tools
    return [(str(name), str(value)) for name, value in points.items()]


def _files(folder: Path, module: str) -> Iterator[Discovered]:
    place = folder.joinpath(*module.split("."))
    if place.with_suffix(".py").is_file():
        yield Discovered(path=place.with_suffix(".py"), source_folder=folder)
    elif place.is_dir():
        for path in sorted(place.glob("[!_.]*.py")):
            yield Discovered(path=path, source_folder=folder)
