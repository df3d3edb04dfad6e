"""setup.py: the metadata that the project's own build backend gives, as pip asks for it."""

from __future__ import annotations

from pathlib import Path

from tfmatrix.envs.pins.declared import read_built
from tfmatrix.envs.pins.model import PinFile
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.uv import Uv

KIND = "setup.py"
NAMES = ("setup.py",)
RANK = Rank.DECLARATION
MADE_OF = ("setup.cfg",)


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """`install_requires`, `extras_require` and `python_requires`, wherever the file takes them from."""
    return read_built(path, text, uv, KIND)
