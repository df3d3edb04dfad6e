"""How far a run goes."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """How far a run goes; a CI that shards runs the first two on many machines and the last on one."""

    ALL = "all"
    SAVE = "save"
    LOAD = "load"
    TABLE = "table"

    @property
    def saves(self) -> bool:
        """Whether artifacts that the store lacks are made."""
        return self in (Phase.ALL, Phase.SAVE)

    @property
    def loads(self) -> bool:
        """Whether cells that the store lacks are measured."""
        return self in (Phase.ALL, Phase.LOAD)

    @property
    def judges(self) -> bool:
        """Whether there are cells to judge, measured now or before."""
        return self is not Phase.SAVE
