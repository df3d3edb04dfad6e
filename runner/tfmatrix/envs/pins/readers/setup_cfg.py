"""setup.cfg, as setuptools reads it."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

from tfmatrix.core.errors import ConfigError
from tfmatrix.envs.pins.declared import listed_files
from tfmatrix.envs.pins.model import Pin, PinFile, line_with, pin_of, python_specifier
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.uv import Uv

KIND = "setup.cfg"
NAMES = ("setup.cfg",)
RANK = Rank.DECLARATION
MADE_OF = ()


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """`install_requires`, `extras_require` and `python_requires`."""
    parser = configparser.ConfigParser()
    try:
        parser.read_string(text)
        required = parser.get("options", "install_requires", fallback="")
        extras = dict(parser.items("options.extras_require")) if parser.has_section("options.extras_require") else {}
        python = parser.get("options", "python_requires", fallback="").strip()
    except configparser.Error as error:
        # What `%(name)s` means is asked for when a value is, and knows no line.
        line = getattr(error, "lineno", None) or line_with(text, "%(")
        raise ConfigError(
            f"not a setup.cfg: {str(error).splitlines()[0]}", file=path, line=line, expected="sections and keys"
        ) from error
    pins = list(_listed(path, text, required, ""))
    for extra, value in extras.items():
        pins += _listed(path, text, value, extra)
    line = line_with(text, "python_requires")
    return PinFile(
        path=path,
        kind=KIND,
        pins=tuple(pins),
        python=python_specifier(python, path, line) if python else "",
        python_line=line,
        extras=tuple(extras),
    )


def _place(text: str, wanted: str) -> int | None:
    """Where a requirement stands; one with an interpolated version, where its package does."""
    name = re.split(r"[\s\[(<>=!~;]", wanted)[0]
    whole = re.compile(rf"\s*{re.escape(name)}(?![\w.-])")
    begun = (number for number, line in enumerate(text.splitlines(), start=1) if whole.match(line))
    return line_with(text, wanted) or next(begun, None)


def _listed(path: Path, text: str, value: str, extra: str) -> list[Pin]:
    value = value.strip()
    if value.startswith("file:"):
        names = [each.strip() for each in value.removeprefix("file:").replace("\n", ",").split(",") if each.strip()]
        return list(listed_files(path, names, extra=extra))
    separator = "\n" if "\n" in value else ";"
    found = []
    for each in value.split(separator):
        wanted = each.partition(" #")[0].strip()
        if wanted and not wanted.startswith("#"):
            found.append(pin_of(wanted, path, _place(text, wanted), extra=extra))
    return found
