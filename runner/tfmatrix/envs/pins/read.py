"""Which files pin packages, and how each is read."""

from __future__ import annotations

import codecs
from pathlib import Path

from tfmatrix.core.errors import ConfigError
from tfmatrix.envs.pins.locks import read_pipfile_lock, read_poetry_lock, read_pylock, read_uv_lock
from tfmatrix.envs.pins.model import Include, Pin, PinFile
from tfmatrix.envs.pins.pyproject import read_pyproject
from tfmatrix.envs.pins.requirements import read_requirements

FILE_KINDS = ("requirements.txt", "uv.lock", "poetry.lock", "Pipfile.lock", "pylock.toml", "pyproject.toml")

_LOCKS = {
    "uv.lock": read_uv_lock,
    "poetry.lock": read_poetry_lock,
    "Pipfile.lock": read_pipfile_lock,
    "pylock.toml": read_pylock,
    "pyproject.toml": read_pyproject,
}
_REQUIREMENTS = ("requirements*.txt", "requirements/*.txt")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
"""How files begin that are not plain UTF-8: PowerShell's `pip freeze > requirements.txt` writes UTF-16."""


def is_pin_file(text: str) -> bool:
    """Whether an argument is meant as a file rather than as a version or an id."""
    path = Path(text)
    return path.name in _LOCKS or path.suffix in (".txt", ".in", ".lock", ".toml", ".yml", ".yaml") or path.is_file()


def read_pins(path: Path, content: bytes | None = None, *, include: Include | None = None) -> PinFile:
    """What a file pins; `content` is that of another version of it, and `include` reads what it names then.

    Raises ConfigError, with the line where there is one, for a file that is not there or not what its name says.
    """
    reader = _LOCKS.get(path.name)
    if reader is None and path.suffix not in (".txt", ".in"):
        raise ConfigError(
            "not a kind of file that is read",
            file=path,
            expected=f"one of: {', '.join(FILE_KINDS)}",
            fix="export your pins: `pip freeze > requirements.txt`, `uv export` or `poetry export`",
        )
    if content is None:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot be read: {error.strerror}", file=path, expected="a file") from error
    text = decode(path, content)
    if reader is not None:
        return reader(path, text)
    pins = read_requirements(path, text, include or (lambda other: decode(other, other.read_bytes())))
    return PinFile(path=path, kind="requirements.txt", pins=pins)


def decode(path: Path, content: bytes) -> str:
    """The text of a file; ConfigError for what is none."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError("not text in UTF-8", file=path, line=line, expected="a text file") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ConfigError("not a text file: it holds null characters", file=path, line=line, expected="a text file")
    if not text.strip():
        raise ConfigError("the file is empty", file=path, line=1, expected="pins such as tensorflow==2.15.1")
    return text


def find_files(folder: Path) -> tuple[PinFile, ...]:
    """The files of a project folder that name TensorFlow, the most exact kind first: locks, requirements, pyproject.

    Empty files are none; a broken one is a ConfigError.
    """
    paths = [folder / name for name in _LOCKS if name != "pyproject.toml"]
    paths += [path for glob in _REQUIREMENTS for path in sorted(folder.glob(glob))]
    paths.append(folder / "pyproject.toml")
    files = [read_pins(path) for path in paths if path.is_file() and path.read_bytes().strip()]
    return tuple(file for file in files if file.tensorflow)


def find_pins(folder: Path) -> tuple[Pin, ...]:
    """Every pin of TensorFlow in a project folder, best source first; none where nothing names it."""
    return tuple(pin for file in find_files(folder) for pin in file.tensorflow)
