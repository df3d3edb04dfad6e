"""A file's bytes as text and as data, or the one error that says why not."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any

from tfmatrix.core.data import MAX_DEPTH, parse_json, parse_toml
from tfmatrix.core.errors import ConfigError
from tfmatrix.core.files import read_bounded

_AT_LINE = re.compile(r"\(at line (\d+)")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
"""How files begin that are not plain UTF-8: PowerShell's `pip freeze > requirements.txt` writes UTF-16."""

_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")

MAX_DIGITS = 200
"""More in a row is no version, and no date: readers of versions take seconds for thousands of digits."""

_DIGITS = re.compile(rf"[0-9]{{{MAX_DIGITS + 1}}}")


def read_text(path: Path) -> str:
    """The text of a file; ConfigError where it cannot be read or is none."""
    try:
        content = read_bounded(path)
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=path, expected="a file") from error
    return decode(path, content)


def decode(path: Path, content: bytes) -> str:
    """The text of a file; ConfigError for what is none."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "") or _declared(content) or "utf-8"
    try:
        text = content.decode(encoding)
    except LookupError as error:
        raise ConfigError(f"no encoding: {encoding!r}", file=path, line=1, expected="such as utf-8") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError("not text in UTF-8", file=path, line=line, expected="a text file") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ConfigError("not a text file: it holds null characters", file=path, line=line, expected="a text file")
    digits = _DIGITS.search(text)
    if digits is not None:
        line = text[: digits.start()].count("\n") + 1
        what = f"a number of more than {MAX_DIGITS} digits"
        raise ConfigError(what, file=path, line=line, expected="pins such as tensorflow==2.15.1")
    if not text.strip():
        raise ConfigError("the file is empty", file=path, line=1, expected="pins such as tensorflow==2.15.1")
    return text


def _declared(content: bytes) -> str:
    """The encoding that a comment in the first two lines names, as Python (PEP 263) and pip read it."""
    for line in content.split(b"\n", 2)[:2]:
        if line.lstrip().startswith(b"#") and (found := _CODING.search(line)) is not None:
            return found[1].decode("ascii")
    return ""


def read_toml(path: Path, text: str) -> dict[str, Any]:
    """The file as data, or a ConfigError with its line."""
    try:
        return parse_toml(text)
    except ValueError as error:
        found = _AT_LINE.search(str(error))
        line = int(found[1]) if found else None
        raise ConfigError(
            f"not TOML: {error}", file=path, line=line, expected="the file as its tool wrote it"
        ) from error


def read_json(path: Path, text: str) -> dict[str, Any]:
    """The file as data, or a ConfigError with its line."""
    try:
        data = parse_json(text)
    except ValueError as error:
        raise ConfigError(
            f"not JSON: {getattr(error, 'msg', error)}",
            file=path,
            line=getattr(error, "lineno", None),
            expected="the file as its tool wrote it",
        ) from error
    if not isinstance(data, dict):
        raise ConfigError("not a JSON object", file=path, line=1, expected="the file as its tool wrote it")
    return data


def read_yaml(path: Path, text: str) -> dict[str, Any]:
    """The file as data, or a ConfigError with its line."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = MAX_DEPTH  # each open bracket makes its scanner slower
    try:
        data = yaml.load(text)
    except (YAMLError, ValueError) as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        raise ConfigError(
            f"not YAML: {str(error).splitlines()[0]}",
            file=path,
            line=mark.line + 1 if mark else None,
            expected="the file as its tool wrote it",
        ) from error
    if not isinstance(data, dict):
        raise ConfigError("not a YAML mapping", file=path, line=1, expected="the file as its tool wrote it")
    return data


def table(data: Any, *keys: str, file: Path) -> dict[str, Any]:
    """The table below these keys, empty where there is none; ConfigError for what is no table."""
    for key in keys:
        data = data.get(key) or {}
        if not isinstance(data, dict):
            raise ConfigError(f"`{key}` is not a table", file=file, key=key)
    found: dict[str, Any] = data
    return found
