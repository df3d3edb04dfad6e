"""A project's own code, as its scenarios import it: what they reach of it, and the copy of that which workers see.

A worker is given whole packages, and nothing else of the project: what it can import is what the digest covers, so that
a changed module is measured anew, however it is imported.
"""

from __future__ import annotations

import ast
import hashlib
import math
import shutil
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 1 << 20
"""Of one file of a package: code and what lies beside it, but no weights. Helpers beside scenarios have no limit."""

ALWAYS_THERE: Final = ("tensorflow", "keras", "tf_keras", "numpy")
"""Never the project's own, whatever folders it has."""

_PASSED_OVER: Final = ("__pycache__", "node_modules", "results", "locks", "build", "dist")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The packages and modules that a scenario reaches: files by where they stand below the path ("app/models.py")."""

    files: Mapping[str, Path]

    @cached_property
    def digest(self) -> str:
        """Over names and contents; empty where nothing is reached."""
        if not self.files:
            return ""
        hasher = hashlib.sha256()
        for name, path in sorted(self.files.items()):
            content = path.read_bytes()
            hasher.update(f"{name}\0{len(content)}\0".encode())
            hasher.update(content)
        return hasher.hexdigest()

    @cached_property
    def mentions_keras(self) -> bool:
        """Whether any of the code names Keras."""
        return any(b"keras" in path.read_bytes() for name, path in self.files.items() if name.endswith(".py"))

    def copy_to(self, folder: Path) -> None:
        """Copies the files to where a path entry may point."""
        for name, path in self.files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def find_sources(
    folders: Sequence[Path], imports: Iterable[str], *, beside: Path | None = None, packages: Sequence[Path] = ()
) -> Sources:
    """What a file with these imports ("app.models", "helpers") reaches of the packages in some folders.

    `packages` are single ones that lie elsewhere. `beside` is the folder of scenarios: of it, files and packages whose
    names begin with `_` may be imported.
    """
    there = {**_importable(folders), **{path.stem: path for path in packages if path.exists()}}
    helpers = {path.stem: path for path in helpers_in(beside)} if beside is not None else {}
    there = {**there, **helpers}
    files: dict[str, Path] = {}
    waiting = list(dict.fromkeys(name.partition(".")[0] for name in imports))
    seen = set(ALWAYS_THERE) | sys.stdlib_module_names
    while waiting:
        name = waiting.pop(0)
        if name in seen or name not in there:
            continue
        seen.add(name)
        for inside, path in _files_of(name, there[name], math.inf if name in helpers else MOST_BYTES):
            files[inside] = path
            if inside.endswith(".py"):
                waiting += [each.partition(".")[0] for each in imported_by(path)]
    return Sources(files=files)


def helpers_in(folder: Path) -> list[Path]:
    """The files and packages beside scenarios that they may import."""
    packages = [path.parent for path in folder.glob("_*/__init__.py")]
    return sorted([path for path in folder.glob("_*.py") if path.name != "__init__.py"] + packages)


def imported_by(path: Path) -> Iterator[str]:
    """The modules that a file names in its imports; none of one that is not Python, which says so when it is run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError):
        return
    yield from imports_of(tree)


def imports_of(tree: ast.AST) -> Iterator[str]:
    """The absolute imports of a syntax tree, wherever in it."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module


def _importable(folders: Sequence[Path]) -> dict[str, Path]:
    """Top-level modules and packages, those of the first folder preferred."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            name = path.stem if path.suffix == ".py" else path.name
            if not name.isidentifier() or path.name in _PASSED_OVER or path.resolve() in map(Path.resolve, folders):
                continue
            if path.is_dir() and ((path / "pyvenv.cfg").exists() or not any(path.rglob("*.py"))):
                continue
            if path.is_dir() or path.suffix == ".py":
                found.setdefault(name, path)
    return found


def _files_of(name: str, path: Path, most: float) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield path.name, path
        return
    top = path.resolve()
    for each in sorted(path.rglob("*")):
        inside = each.relative_to(path)
        if any(part in _PASSED_OVER or part.startswith(".") for part in inside.parts):
            continue
        if each.is_file() and each.resolve().is_relative_to(top) and each.stat().st_size <= most:
            yield f"{name}/{inside.as_posix()}", each
