"""What cells are told apart by where they are counted. Without numpy: every table begins with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status


class Look(NamedTuple):
    """What cells are told apart by where they are counted."""

    status: Status
    known: bool
    promised: bool
    inferred: bool

    @classmethod
    def of(cls, record: CellRecord) -> Look:
        """That of one cell."""
        return cls(record.status, record.known, record.promised, record.inferred is not None)


Counts = Mapping[Look, int]
"""How many cells look so."""
