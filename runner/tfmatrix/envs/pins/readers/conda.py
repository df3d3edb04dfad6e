"""environment.yml of conda: what it names of the packages that decide here, and all of its `pip:` part.

What conda builds is not what the package index has: versions are taken, builds are not.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.packages import DECIDING
from tfmatrix.envs.pins.model import Pin, PinFile, exact_version, line_with
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.pins.requirements import read_requirements
from tfmatrix.envs.pins.text import read_yaml
from tfmatrix.envs.uv import Uv

KIND = "environment.yml"
NAMES = ("environment*.yml", "environment*.yaml", "conda*.yml", "conda*.yaml")
RANK = Rank.OTHER
MADE_OF = ()

TAKEN = DECIDING
"""Names that mean the same for conda and for the package index."""

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
    notes: list[str] = []
    options: tuple[str, ...] = ()
    python = ""
    for each in listed:
        if isinstance(each, dict):
            found = read_requirements(path, "\n".join(map(str, each.get("pip") or ())) or "#")
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


def pin_of_conda(name: str, specifier: str, path: Path, line: int | None) -> Pin:
    """A package of conda that the package index has under the same name."""
    return Pin(package=name, version=exact_version(SpecifierSet(specifier)), specifier=specifier, file=path, line=line)


def left_out(path: Path, names: list[str]) -> list[str]:
    """The note on packages of conda that are not those of the package index."""
    if not names:
        return []
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return [f"{path}: {shown}: packages of conda, not of the package index: left out"]


def conda_specifier(text: str, path: Path, line: int | None) -> str:
    """Conda's notation as a specifier: `=2.15` is any 2.15, `=2.15.0=build` and `==2.15.0` are one version."""
    value = text.strip()
    exact = re.fullmatch(r"={1,2}\s*(?P<version>[^=,<>!~*\s]+)(?P<build>=\S+)?", value)
    if exact is not None:
        is_one = value.startswith("==") or exact["build"]
        value = f"=={exact['version']}" + ("" if is_one else ".*")
    elif re.fullmatch(r"=?\d[\w.]*\.\*", value):
        value = f"=={value.lstrip('=')}"
    elif re.fullmatch(r"\d[\w.]*(?:\s+\S+)?", value):
        value = f"=={value.split()[0]}"
    elif "|" in value:
        return ""
    try:
        return str(SpecifierSet(value))
    except InvalidSpecifier as error:
        raise ConfigError(
            f"not a version: {text.strip()!r}", file=path, line=line, expected="such as =2.15.0"
        ) from error


def entries(data: Any) -> list[Any]:
    """A list, or nothing."""
    return data if isinstance(data, list) else []
