"""One module for each kind of file: `KIND`, `NAMES` (globs), `RANK`, `MADE_OF`, and `read(path, text, uv)`.

`MADE_OF` are files of the same folder that a lock was made of: beside it they say nothing more.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Protocol

from tfmatrix.envs.pins.model import PinFile
from tfmatrix.envs.uv import Uv


class Rank(IntEnum):
    """How exactly a kind of file says what is installed, the most exact first."""

    LOCK = 0
    REQUIREMENTS = 1
    DECLARATION = 2
    OTHER = 3


class Read(Protocol):
    """Reads a file of one kind; ConfigError for what cannot be read."""

    def __call__(self, path: Path, text: str, uv: Uv) -> PinFile:
        """What the file pins. `uv` runs the tools of the file's own kind where they are needed."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file."""

    name: str
    names: tuple[str, ...]
    rank: Rank
    made_of: tuple[str, ...]
    read: Read

    def matches(self, name: str) -> bool:
        """Whether a file of this name is one."""
        return any(fnmatchcase(name, glob) for glob in self.names)


@cache
def kinds() -> Sequence[Kind]:
    """All kinds, the most exact first."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        one = importlib.import_module(f"{__name__}.{module.name}")
        found.append(Kind(name=one.KIND, names=one.NAMES, rank=one.RANK, made_of=one.MADE_OF, read=one.read))
    return tuple(sorted(found, key=lambda kind: (kind.rank, kind.name)))
