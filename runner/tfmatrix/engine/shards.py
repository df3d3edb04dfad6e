"""Splits a plan over machines. Pure: every machine computes the same parts from the same plan, and takes its own.

What belongs to one scenario and one writer stays together: its artifacts are saved once, in one shard; the noise of
the writer is measured there; and other formats, which may be a remedy, are compared there. Where cells are inferred
from those of other writers, a scenario stays together.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tfmatrix.core.errors import UsageError
from tfmatrix.core.ids import ID_PATTERN
from tfmatrix.engine.estimate import INSTALL_SECONDS, START_SECONDS, duration
from tfmatrix.engine.plan import Plan, part_of

_SHARD = re.compile(r"(\d{1,4})/(\d{1,4})")
MOST_JOBS = 256
"""Of one matrix in GitHub Actions (docs.github.com, "Running variations of jobs in a workflow")."""

_SLACK = 1.02
"""How much more than its share a shard may get before the next one is taken: balance against staying put."""

Group = tuple[str, str]
"""A scenario and a writer; an empty one stands for all."""


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
    selected = hashlib.sha256("\n".join([str(of), *map(str, plan.cells())]).encode()).hexdigest()[:6]
    run = environ.get("GITHUB_RUN_ID", "")
    return f"{run if ID_PATTERN.fullmatch(run) else f'{now.astimezone(UTC):%Y%m%d}'}-{selected}"


def job_matrix(environments: int, seconds: float, minutes: float) -> dict[str, list[str]]:
    """The matrix of a GitHub job: shards of a plan with so many environments that takes `seconds` to measure.

    Each shard provides all environments, and then has the rest of `minutes` to measure. Shards are 1, 2, 4, … at most
    MOST_JOBS, which then take longer: one more cell does not assign all of them anew. Raises UsageError where
    `minutes` do not even provide the environments.
    """
    provided = environments * (INSTALL_SECONDS + START_SECONDS)
    room = minutes * 60 - provided
    if room <= 0:
        raise UsageError(
            f"{minutes:g} minutes are too short: providing {environments} environments takes about "
            f"{duration(provided)}",
            fix="give a job more time, or choose a smaller set",
        )
    count = 1
    while count < MOST_JOBS and seconds / count > room:
        count *= 2
    return {"shard": [f"{number}/{count}" for number in range(1, count + 1)]}


def shard_plan(plan: Plan, shard: Shard, *, helpers: Mapping[str, str] | None = None) -> Plan:
    """The part of a plan that a shard makes; no cell at all where there are more shards than groups.

    `helpers` maps a reader to another environment that its remedies need, so that a shard tries what the whole would.
    """
    group_of = _grouping(plan)
    mine = {group for group, number in assign(plan, shard.of).items() if number == shard.number}
    pairs = {
        (square.scenario, square.format): {pair for pair in square.pairs if group_of(square.scenario, pair[0]) in mine}
        for square in plan.squares
    }
    readers = {reader for each in pairs.values() for _, reader in each}
    beside = [helper for reader, helper in (helpers or {}).items() if reader in readers]
    return part_of(plan, pairs, {save for save in plan.saves if group_of(save.scenario, save.writer) in mine}, beside)


def _grouping(plan: Plan) -> Callable[[str, str], Group]:
    """What belongs together: a scenario and a writer; all writers where cells are inferred from those of others."""
    adaptive = {square.scenario for square in plan.squares if square.adaptive}
    return lambda scenario, writer: (scenario, "" if scenario in adaptive else writer)


def assign(plan: Plan, of: int) -> dict[Group, int]:
    """The shard (from 1) of every group of a plan.

    Each group has an order of shards that it prefers, by hash, and takes the first that has room: shards get the same
    amount of work, but for about one group, and where the matrix grows, most groups stay where their measurements are
    kept. Work is counted in saves and loads.
    """
    group_of = _grouping(plan)
    work: Counter[Group] = Counter()
    for square in plan.squares:
        for writer, _ in square.pairs:
            work[group_of(square.scenario, writer)] += writer not in square.unsupported
    work.update(group_of(save.scenario, save.writer) for save in plan.saves)
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
