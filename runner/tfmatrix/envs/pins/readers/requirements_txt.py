"""requirements.txt and every other file in pip's format, as pip, pip-tools and `pip freeze` write it.

Also what `conda list --export` writes, which is often given the same name.
"""

from __future__ import annotations

import re
from pathlib import Path

from tfmatrix.envs.pins.conda import left_out
from tfmatrix.envs.pins.declared import following
from tfmatrix.envs.pins.model import Pin, PinFile, line_of, pin_of
from tfmatrix.envs.pins.readers import Rank, conda
from tfmatrix.envs.pins.requirements import read_requirements
from tfmatrix.envs.uv import Uv

KIND = "requirements.txt"
NAMES = ("*.txt", "*.in")
RANK = Rank.REQUIREMENTS
MADE_OF = ()

_OF_CONDA = re.compile(r"(?P<name>[\w.-]+)=(?P<version>[^=\s]+)=(?P<build>[^=\s]+)")
_OF_INDEX = "pypi"
"""How the build begins of what pip has installed."""


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """The pins of the file, of those that it includes, and of the projects of this machine that it installs."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = [_OF_CONDA.fullmatch(line) for line in lines]
    listed = [each for each in found if each is not None]
    if listed and len(listed) == len(lines):
        return _of_conda(path, text, listed)
    return read_requirements(path, text, following(uv))


def _of_conda(path: Path, text: str, listed: list[re.Match[str]]) -> PinFile:
    by_pip: list[Pin] = []
    specs: list[tuple[str, int | None]] = []
    for each in listed:
        line = line_of(text, each[0])
        if each["build"].startswith(_OF_INDEX):
            by_pip.append(pin_of(f"{each['name']}=={each['version']}", path, line))
        else:
            specs.append((each[0], line))
    pins, python, others = conda.read_specs(path, specs)
    line = next((line for spec, line in specs if spec.startswith("python=")), None)
    return PinFile(
        path=path,
        kind=KIND,
        pins=(*pins, *by_pip),
        python=python,
        python_line=line,
        notes=tuple(left_out(path, others)),
    )
