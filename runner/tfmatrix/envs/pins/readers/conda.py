"""environment.yml of conda: what it names of the packages that decide here, and all of its `pip:` part.

What conda builds is not what the package index has: versions are taken, builds are not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

from tfmatrix.core.errors import ConfigError
from tfmatrix.envs.pins.conda import TAKEN, conda_specifier, left_out, pin_of_conda
from tfmatrix.envs.pins.declared import following
from tfmatrix.envs.pins.model import Note, Pin, PinFile, line_with
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.pins.requirements import read_requirements
from tfmatrix.envs.pins.text import read_yaml
from tfmatrix.envs.uv import Uv

KIND = "environment.yml"
NAMES = ("environment*.yml", "environment*.yaml", "conda*.yml", "conda*.yaml")
RANK = Rank.OTHER
MADE_OF = ()

_SAME = {"tensorflow-base": "tensorflow", "tensorflow-mkl": "tensorflow", "tensorflow-eigen": "tensorflow"}
_BRACKETS = re.compile(r"\[.*?\bversion\s*=\s*['\"]?([^'\"\]]+)['\"]?.*\]")
"""Conda's other notation: `numpy[version='>=1.22,<2', build=py311*]`."""

_SPEC = re.compile(r"^(?:[\w./-]+::)?(?P<name>[A-Za-z0-9_.-]+)\s*(?P<version>[=<>!~\d].*)?(?:\[.*\])?$")


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """The dependencies, those of `pip` as pip reads them."""
    data = read_yaml(path, text)
    listed = data.get("dependencies") or []
    if not isinstance(listed, list):
        raise ConfigError("`dependencies` is not a list", file=path, key="dependencies")
    of_pip: list[Pin] = []
    notes: list[Note] = []
    options: tuple[str, ...] = ()
    specs: list[tuple[str, int | None]] = []
    for each in listed:
        if isinstance(each, dict):
            for entry in map(str, each.get("pip") or ()):
                found = read_requirements(path, entry, following(uv), line=line_with(text, entry))
                of_pip += found.pins
                notes += found.notes
                options += found.options
        elif each is not None:
            specs.append((str(each), line_with(text, str(each))))
    pins, python, others = read_specs(path, specs)
    notes += left_out(path, others)
    return PinFile(
        path=path,
        kind=KIND,
        pins=(*pins, *of_pip),
        python=python,
        python_line=line_with(text, "python=", "python"),
        options=options,
        notes=tuple(notes),
    )


def read_specs(path: Path, specs: Sequence[tuple[str, int | None]]) -> tuple[list[Pin], str, list[str]]:
    """What `conda install` is asked for, each with its line: the pins, the Python, and names of what no index has."""
    pins: list[Pin] = []
    others: list[str] = []
    python = ""
    for each, line in specs:
        match = _SPEC.match(each.strip())
        if match is None:
            continue
        name = canonicalize_name(match["name"])
        name = canonicalize_name(_SAME.get(name, name))
        if name != "python" and name not in TAKEN:
            others.append(name)
            continue
        inside = _BRACKETS.search(each)
        specifier = conda_specifier(inside[1] if inside else match["version"] or "", path, line)
        if name == "python":
            python = specifier
        else:
            pins.append(pin_of_conda(name, specifier, path, line))
    return pins, python, others
