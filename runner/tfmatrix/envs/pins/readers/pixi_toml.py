"""pixi.toml: what pixi is asked for."""

from __future__ import annotations

from pathlib import Path

from tfmatrix.envs.pins.model import PinFile
from tfmatrix.envs.pins.pixi import read_pixi
from tfmatrix.envs.pins.readers import Rank
from tfmatrix.envs.pins.text import read_toml
from tfmatrix.envs.uv import Uv

KIND = "pixi.toml"
NAMES = ("pixi.toml",)
RANK = Rank.DECLARATION
MADE_OF = ()


def read(path: Path, text: str, uv: Uv) -> PinFile:
    """What the environment `default` has; other features are groups."""
    return read_pixi(path, text, read_toml(path, text))
