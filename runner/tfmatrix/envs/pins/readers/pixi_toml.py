"""pixi.toml: what pixi is asked for."""

from __future__ import annotations

from pathlib import Path

from packaging.utils import canonicalize_name

from tfmatrix.envs.pins.model import Pin, PinFile, line_with
from tfmatrix.envs.pins.pipenv import pin_of_entry
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.pins.readers.conda import TAKEN, conda_specifier, left_out, pin_of_conda
from tfmatrix.envs.pins.text import read_toml, table
from tfmatrix.envs.uv import Uv

KIND = "pixi.toml"
NAMES = ("pixi.toml",)
RANK = Rank.DECLARATION
MADE_OF = ()


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """`[pypi-dependencies]`, and of `[dependencies]` those that decide here."""
    data = read_toml(path, text)
    pins: list[Pin] = []
    others: list[str] = []
    notes: list[str] = []
    python = ""
    for name, entry in table(data, "dependencies", file=path).items():
        line = line_with(text, f"{name} =", name)
        version = entry.get("version") if isinstance(entry, dict) else entry
        specifier = conda_specifier("" if version in (None, "*") else _pixi(str(version)), path, line)
        if name == "python":
            python = specifier
        elif canonicalize_name(name) in TAKEN:
            pins.append(pin_of_conda(canonicalize_name(name), specifier, path, line))
        else:
            others.append(name)
    for name, entry in table(data, "pypi-dependencies", file=path).items():
        pin = pin_of_entry(path, line_with(text, f"{name} =", name), name, entry, "", notes)
        if pin is not None:
            pins.append(pin)
    return PinFile(
        path=path,
        kind=KIND,
        pins=tuple(pins),
        python=python,
        python_line=line_with(text, "python ="),
        notes=(*notes, *left_out(path, others)),
    )


def _pixi(version: str) -> str:
    """A bare version is any of its patches."""
    return f"={version}" if version[:1].isdigit() and not version.endswith("*") else version
