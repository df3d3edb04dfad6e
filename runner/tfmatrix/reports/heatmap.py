"""Writers × readers in four or five columns a reader, for a run of many environments: a sign and a count each.

Readers are numbered like the rows, for their names would be wider than what stands under them. A colour repeats what
the sign says, and its strength how many of the pair's cells fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tfmatrix.analysis.looks import Counts, Look
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.core.text import Mark
from tfmatrix.reports.cells import KNOWN, sides

STRONG = 0.5
"""The share of failing cells from which on a field is filled."""


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """Rows are writers; None where the run has no such pair. `numbers` are those of the environments, from 1.

    `key` explains the signs.
    """

    key: str
    numbers: Mapping[str, int]
    readers: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Mark | None, ...]], ...]


def heat_map(pairs: Mapping[tuple[str, str], Counts], order: Sequence[str]) -> HeatMap:
    """The map of some pairs: the worst status of each, and how many of its cells fail, as on the site."""
    single = all(sum(counts.values()) == 1 for counts in pairs.values())
    fields = {pair: _field(each, single=single) for pair, each in pairs.items()}
    writers, readers = sides(pairs, order)
    rows = [(writer, tuple(fields.get((writer, reader)) for reader in readers)) for writer in writers]
    return drawn(order, readers, rows, single=single)


def drawn(
    order: Sequence[str], readers: Sequence[str], rows: Sequence[tuple[str, tuple[Mark | None, ...]]], *, single: bool
) -> HeatMap:
    """A map of its fields; `single` ones are of one cell each."""
    worst = {field.status for _, row in rows for field in row if field}
    what = "" if single else "the worst status of the pair, and how many of its cells fail: "
    return HeatMap(
        key=what + ", ".join(f"{status.sign} {status.value}" for status in WORST_FIRST if status in worst),
        numbers={name: number for number, name in enumerate(order, start=1)},
        readers=tuple(readers),
        rows=tuple(rows),
    )


def single_field(look: Look) -> Mark:
    """The field of one cell."""
    return _field({look: 1}, single=True)


def _field(counts: Counts, *, single: bool) -> Mark:
    worst: Status = min((look.status for look in counts), key=WORST_FIRST.index)
    failing = {look: count for look, count in counts.items() if look.status.is_incompatibility}
    counted = failing or {look: count for look, count in counts.items() if look.status is worst}
    known = KNOWN if failing and all(look.known for look in failing) else ""
    return Mark(
        f"{worst.sign}{'' if single else _short(sum(counted.values()))}{known}",
        worst,
        strong=worst.is_incompatibility and not known and sum(failing.values()) >= STRONG * sum(counts.values()),
    )


def _short(count: int) -> str:
    return str(count) if count < 1000 else f"{count // 1000}k"
