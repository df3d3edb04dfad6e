"""How far a run goes."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """How far a run goes; a CI that shards runs the first two on many machines and the last on one."""

    ALL = "all"
    SAVE = "save"
    LOAD = "load"
    TABLE = "table"
