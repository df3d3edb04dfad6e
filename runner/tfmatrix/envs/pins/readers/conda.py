"""environment.yml of conda: what it names of the packages that decide here, and all of its `pip:` part.

What conda builds is not what the package index has: versions are taken, builds are not.
"""

from __future__ import annotations

import re
from dataclasses import replace
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
_SPEC = re.compile(r"^(?:[\w./-]+::)?(?P<name>[A-Za-z0-9_.-]+?)\s*(?:\[.*\])?\s*(?P<version>[=<>!~ \d].*)?$")


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """The dependencies, those of `pip` as pip reads them."""
    data = read_yaml(path, text)
    listed = data.get("dependencies") or []
    if not isinstance(listed, list):
        raise ConfigError("`dependencies` is not a list", file=path, key="dependencies")
    pins: list[Pin] = []
    others: list[str] = []
    notes: list[Note] = []
    options: tuple[str, ...] = ()
    python = ""
    for each in listed:
        if isinstance(each, dict):
            found = read_requirements(path, "\n".join(map(str, each.get("pip") or ())) or "#", following(uv))
            pins += [
                replace(pin, line=line_with(text, pin.package) if pin.file == path else pin.line) for pin in found.pins
            ]
            notes += found.notes
            options += found.options
            continue
        line = line_with(text, str(each))
        match = _SPEC.match(str(each).strip())
        if match is None:
            continue
        name, specifier = canonicalize_name(match["name"]), conda_specifier(match["version"] or "", path, line)
        name = canonicalize_name(_SAME.get(name, name))
        if name == "python":
            python = specifier
        elif name in TAKEN:
            pins.append(pin_of_conda(name, specifier, path, line))
        else:
            others.append(name)
    notes += left_out(path, others)
    return PinFile(
        path=path,
        kind=KIND,
        pins=tuple(pins),
        python=python,
        python_line=line_with(text, "python=", "python"),
        options=options,
        notes=tuple(notes),
    )
