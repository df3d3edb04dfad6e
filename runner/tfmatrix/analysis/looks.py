"""What cells are told apart by where they are counted. Without numpy: every table begins with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
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


def counts_of(counted: Iterable[tuple[CellRecord, int]]) -> Counts:
    """The sum of what each record stands for so often."""
    found: Counter[Look] = Counter()
    for record, count in counted:
        found[Look.of(record)] += count
    return found
