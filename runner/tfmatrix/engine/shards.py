"""Splits a plan over machines. Pure: every machine computes the same parts from the same plan, and takes its own.

What belongs to one scenario and one writer stays together: its artifacts are saved once, in one shard; the noise of
the writer is measured there; and other formats, which may be a remedy, are compared there.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tfmatrix.core.errors import UsageError
from tfmatrix.core.ids import ID_PATTERN

if TYPE_CHECKING:
    from tfmatrix.engine.plan import Plan

_SHARD = re.compile(r"(\d{1,4})/(\d{1,4})")
_SLACK = 1.02
"""How much more than its share a shard may get before the next one is taken: balance against staying put."""

Group = tuple[str, str]
"""A scenario and a writer."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The part `number` of `of` parts (from 1) of a run that several machines make; `group` is its name."""

    group: str
    number: int
    of: int

    def to_json(self) -> dict[str, str | int]:
        """As run.json has it."""
        return {"group": self.group, "number": self.number, "of": self.of}


def parse_shard(text: str) -> tuple[int, int]:
    """Number and count of "1/4"; UsageError where it is not that."""
    match = _SHARD.fullmatch(text.strip())
    number, of = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= of:
        raise UsageError(
            f"--shard {text!r} is no part of a whole",
            expected="NUMBER/COUNT with 1 <= NUMBER <= COUNT, such as 1/4",
        )
    return number, of


def group_name(plan: Plan, of: int, *, given: str | None, environ: Mapping[str, str], now: datetime) -> str:
    """What the shards of one run have in common, and those of another have not.

    As given; else the run of the CI (a repeated job joins the others), else the day in UTC: with a digest of what is
    selected, so that two matrices of one night are two groups. Raises UsageError for a name that cannot be one.
    """
    if given is not None:
        if not ID_PATTERN.fullmatch(given):
            raise UsageError(f"--shard-group {given!r} cannot name a run", expected=ID_PATTERN.pattern)
        return given
    selected = hashlib.sha256("\n".join([str(of), *map(str, plan.cells)]).encode()).hexdigest()[:6]
    run = environ.get("GITHUB_RUN_ID", "")
    return f"{run if ID_PATTERN.fullmatch(run) else f'{now.astimezone(UTC):%Y%m%d}'}-{selected}"


def shard_plan(plan: Plan, shard: Shard, *, helpers: Mapping[str, str] | None = None) -> Plan:
    """The part of a plan that a shard makes; no cell at all where there are more shards than groups.

    `helpers` maps a reader to another environment that its remedies need, so that a shard tries what the whole would.
    """
    mine = {group for group, number in assign(plan, shard.of).items() if number == shard.number}
    cells = tuple(cell for cell in plan.cells if (cell.scenario, cell.writer) in mine)
    readers = {cell.reader for cell in cells}
    used = readers | {cell.writer for cell in cells}
    used |= {helper for reader, helper in (helpers or {}).items() if reader in readers}
    return replace(
        plan,
        environments=tuple(each for each in plan.environments if each.id in used),
        scenarios=tuple(each for each in plan.scenarios if each.name in {cell.scenario for cell in cells}),
        formats=tuple(name for name in plan.formats if name in {cell.format for cell in cells}),
        cells=cells,
        saves=tuple(save for save in plan.saves if (save.scenario, save.writer) in mine),
        unsupported={cell: reason for cell, reason in plan.unsupported.items() if (cell.scenario, cell.writer) in mine},
    )


def assign(plan: Plan, of: int) -> dict[Group, int]:
    """The shard (from 1) of every scenario and writer of a plan.

    Each group has an order of shards that it prefers, by hash, and takes the first that has room: shards get the same
    amount of work, but for about one group, and where the matrix grows, most groups stay where their measurements are
    kept. Work is counted in saves and loads.
    """
    work: Counter[Group] = Counter(dict.fromkeys(((cell.scenario, cell.writer) for cell in plan.cells), 0))
    work.update((cell.scenario, cell.writer) for cell in plan.loads)
    work.update((save.scenario, save.writer) for save in plan.saves)
    room = _SLACK * work.total() / of
    load: dict[int, int] = defaultdict(int)
    assigned: dict[Group, int] = {}
    # The large ones first, so that the small ones fill the gaps.
    for group in sorted(work, key=lambda each: (-work[each], _digest(*each))):
        preferred = sorted(range(1, of + 1), key=lambda number: _digest(*group, str(number)))
        fitting = (number for number in preferred if load[number] + work[group] <= room)
        number = next(fitting, None) or min(preferred, key=lambda each: load[each])
        load[number] += work[group]
        assigned[group] = number
    return assigned


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
