"""requirements.txt and every other file in pip's format, as pip, pip-tools and `pip freeze` write it."""

from __future__ import annotations

from pathlib import Path

from tfmatrix.envs.pins.declared import following
from tfmatrix.envs.pins.model import PinFile
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.pins.requirements import read_requirements
from tfmatrix.envs.uv import Uv

KIND = "requirements.txt"
NAMES = ("*.txt", "*.in")
RANK = Rank.REQUIREMENTS
MADE_OF = ()


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """The pins of the file, of those that it includes, and of the projects of this machine that it installs."""
    return read_requirements(path, text, following(uv))
