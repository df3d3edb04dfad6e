"""What a run wants of an executor: what `open_executor` of its module gets (see `registry`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfmatrix.core.environment import Environment
from tfmatrix.executors.supply import Supply
from tfmatrix.project.config import Defaults


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What a run wants of an executor.

    `run` labels what is made for it, `say` gets lines of progress. `asked`: it was asked for by its name; else
    `instead` says why those before it were not taken. `folders` are those of the project that workers need, beside the
    cache.
    """

    environments: Sequence[Environment]
    defaults: Defaults
    supply: Supply
    say: Callable[[str], None]
    run: str
    asked: bool
    instead: str = ""
    folders: Sequence[Path] = ()
