"""Which files of a folder say what is installed, and how each is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.files import read_bounded
from tfmatrix.core.text import one_line
from tfmatrix.envs.pins.model import PinFile
from tfmatrix.envs.pins.readers import Kind, Rank, kinds
from tfmatrix.envs.pins.text import read_text
from tfmatrix.envs.uv import Uv

_PRODUCTION = ("requirements.txt", "requirements.in")
_SEARCHED = ("requirements*.txt", "requirements*.in", "requirements/*.txt", "requirements/*.in")
"""Of files in pip's format, which have any name, those that are looked for."""

_NAMES_TENSORFLOW = re.compile(r"tensorflow|tf[-_]nightly", re.IGNORECASE)
_NAMES_FILE = re.compile(r"file|open\(|read|dynamic|\bpath\b|\b(?:install|sync|env)\b")
"""Of a declaration or a Dockerfile that may have it from another file."""

_PYTHON_FILES = (".python-version", "runtime.txt")


@dataclass(frozen=True, kw_only=True)
class Found:
    """The files of a folder that name TensorFlow, the one that decides first, and why others could not be read."""

    files: tuple[PinFile, ...]
    notes: tuple[str, ...] = ()


def file_kinds() -> str:
    """The kinds of files that are read, for a message."""
    return ", ".join(kind.name for kind in kinds())


def kind_of(path: Path) -> Kind | None:
    """What kind of file a name is."""
    return next((kind for kind in kinds() if kind.matches(path.name)), None)


def is_pin_file(text: str) -> bool:
    """Whether an argument is meant as a file rather than as a version or an id."""
    path = Path(text)
    return (
        kind_of(path) is not None
        or path.suffix in (".lock", ".toml", ".yml", ".yaml", ".cfg", ".py")
        or len(path.parts) > 1
        or path.is_file()
    )


def read_pins(path: Path, uv: Uv) -> PinFile:
    """What a file pins. ConfigError, with the line where there is one, for a file that cannot be read as its kind."""
    kind = kind_of(path)
    if kind is None:
        raise ConfigError(
            "not a kind of file that is read",
            file=path,
            expected=f"one of: {file_kinds()}",
            fix="export your pins: `pip freeze > requirements.txt`, `uv export` or `poetry export`",
        )
    return _read_as(kind, path, read_text(path), uv)


def _read_as(kind: Kind, path: Path, text: str, uv: Uv) -> PinFile:
    """What the file pins, read as this kind; ConfigError also where its tool writes a list and there is a table."""
    try:
        return kind.read(path, text, uv)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        # Readers take a file to have the form that its tool gives it: whoever wrote another learns what was met.
        raise ConfigError(
            f"not of the form of a {kind.name}: {type(error).__name__}: {one_line(error)}",
            file=path,
            expected="the file as its tool wrote it",
            fix="have the tool write it again, or name another file",
        ) from error


def pin_paths(folder: Path) -> tuple[Path, ...]:
    """Files of a project folder that may say what is installed, the most exact kind first."""
    return tuple(path for _, path in _candidates(folder))


def find_files(folder: Path, uv: Uv) -> Found:
    """The files of a project folder that name TensorFlow, in production or in an optional part.

    A lock stands for the file that it was made of; a file that only includes another one is none of its own. What
    cannot be read is a note.
    """
    files: list[PinFile] = []
    notes: list[str] = []
    superseded: set[Path] = set()
    for kind, path in _candidates(folder):
        if path in superseded:
            continue
        try:
            text = read_text(path)
            if not _may_name_tensorflow(kind, text):
                continue
            file = _read_as(kind, path, text, uv)
        except ConfigError as error:
            if path.stat().st_size and not error.what.endswith("the file is empty"):
                said = error.what.splitlines()[0].replace(f"{folder}/", "")
                notes.append(f"{said}: this file is left out")
            continue
        superseded |= {path.parent / name for name in kind.made_of}
        if file.every_tensorflow:
            files.append(file)
            if path.suffix == ".txt":
                superseded.add(path.with_suffix(".in"))  # what pip-compile made it of
    return Found(files=tuple(_distinct(files)), notes=tuple(notes))


def _candidates(folder: Path) -> Iterator[tuple[Kind, Path]]:
    for kind in kinds():
        globs = _SEARCHED if kind.rank is Rank.REQUIREMENTS else kind.names
        paths = {path for glob in globs for path in folder.glob(glob) if path.is_file()}
        for path in sorted(paths, key=_production_first):
            yield kind, path


def _production_first(path: Path) -> tuple[bool, bool, str]:
    return path.name not in _PRODUCTION, path.suffix == ".in", str(path)


def _may_name_tensorflow(kind: Kind, text: str) -> bool:
    """Whether it is worth while: a setup.py is run to be read, and a locked file names what is in it."""
    return (
        kind.rank is Rank.REQUIREMENTS
        or _NAMES_TENSORFLOW.search(text) is not None
        or _NAMES_FILE.search(text) is not None
    )


def _distinct(files: Sequence[PinFile]) -> Iterator[PinFile]:
    """Without files that lead to the very pins of another one: those that include it, or are included by it."""
    seen: list[tuple[PinFile, set[tuple[Path, int | None]]]] = []
    for file in files:
        places = {(pin.file.resolve(), pin.line) for pin in file.every_tensorflow}
        if any(places & other for _, other in seen):
            continue
        seen.append((file, places))
        yield file


def python_beside(folder: Path, uv: Uv) -> tuple[tuple[SpecifierSet, str], ...]:
    """What other files of a folder say of the Python: a specifier and the file, what decides first."""
    found: list[tuple[SpecifierSet, str]] = []
    for name in _PYTHON_FILES:
        version = _version_in(folder / name)
        if version:
            found.append((SpecifierSet(f"=={version}.*"), name))
    for kind, path in _candidates(folder):
        if kind.rank is Rank.REQUIREMENTS or path.name == "setup.py":
            continue
        try:
            file = _read_as(kind, path, read_text(path), uv)
        except ConfigError:
            continue
        if file.python:
            found.append((SpecifierSet(file.python), path.name))
    return tuple(found)


def _version_in(path: Path) -> str:
    """The Python of .python-version or runtime.txt, as X.Y; nothing where it says something else."""
    try:
        text = read_bounded(path).decode("utf-8", errors="replace")
    except OSError:
        return ""
    words = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = re.match(r"(?:c?python-?)?(3\.\d+)", words[0]) if words else None
    return found[1] if found else ""
