"""How long a run takes on many machines, and what it costs: its batches, laid out on workers. Pure.

The model: a batch takes its jobs, one start of a unit, and one import of TensorFlow; environments are provided first,
then all saves are made, then all loads. What cells measure that are only inferred elsewhere counts by its share.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tfmatrix.core.ids import CellId
from tfmatrix.engine.batches import LONGEST, Part, split, target_seconds
from tfmatrix.engine.estimate import INSTALL_SECONDS, OBSERVATION_BYTES, START_SECONDS, Past, duration
from tfmatrix.engine.plan import Plan, Save

UNIT_SECONDS = 2.0
"""Of a unit beside its jobs and its worker's import: its own imports, the store, its result."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a run takes on so many `workers`, one core each: `batches`, `seconds` until it is done, `cpu_hours` of all
    batches, `bytes` in the store, `moved` bytes to and from workers. `price` is for the hours that workers are held, at
    `per_hour` each; None where no price was given.
    """

    workers: int
    batches: int
    seconds: float
    cpu_hours: float
    bytes: float
    moved: float
    per_hour: float | None = None

    @property
    def price(self) -> float | None:
        """For `workers` from the beginning to the end."""
        return None if self.per_hour is None else self.workers * self.seconds / 3600 * self.per_hour

    def __str__(self) -> str:
        told = (
            f"{self.batches} batches on {self.workers} workers: about {duration(self.seconds)}, "
            f"{self.cpu_hours:.1f} CPU hours, {self.bytes / 1e9:.1f} GB in the store, {self.moved / 1e9:.1f} GB moved"
        )
        return told if self.price is None else f"{told}, {self.price:.2f} for the workers"

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return {**asdict(self), "price": self.price}


def parts_of(plan: Plan, saves: Iterable[Save], cells: Iterable[CellId], past: Past) -> Iterator[Part]:
    """What is to be measured, with what it is expected to take."""
    for save in saves:
        yield Part(environment=save.writer, key="", what=save, seconds=past.save(save.saver)[0])
    seconds = {name: past.load(name) for name in plan.formats}
    adaptive = {(square.scenario, square.format): square.adaptive for square in plan.squares if square.adaptive}
    for cell in cells:
        is_adaptive = (cell.writer, cell.reader) in adaptive.get((cell.scenario, cell.format), ())
        share = past.share if is_adaptive else 1.0
        yield Part(environment=cell.reader, key="", what=cell, seconds=share * seconds[cell.format])


def cost(
    plan: Plan,
    saves: Sequence[Save],
    cells: Sequence[CellId],
    past: Past,
    *,
    workers: int,
    longest: float = LONGEST,
    per_hour: float | None = None,
    installed: bool = False,
) -> Cost:
    """What measuring saves and cells takes. `installed`: workers have their environments already."""
    parts = list(parts_of(plan, saves, cells, past))
    made, loaded = parts[: len(saves)], parts[len(saves) :]
    provided = [UNIT_SECONDS if installed else INSTALL_SECONDS] * len(plan.environments)
    rounds = [provided]
    for each in (made, loaded):
        target = target_seconds(sum(part.seconds for part in each), workers, longest=longest)
        batches = split(each, target)
        rounds.append([sum(part.seconds for part in batch) + UNIT_SECONDS + START_SECONDS for batch in batches])
    artifact = {save: past.save(save.saver)[1] for save in saves}
    mean = sum(artifact.values()) / len(artifact) if artifact else 0.0
    plain = sum(past.load(cell.format) for cell in cells)
    shares = sum(part.seconds for part in loaded) / plain if plain else 1.0
    stored = sum(artifact.values()) + (len(saves) + shares * len(cells)) * OBSERVATION_BYTES
    return Cost(
        workers=workers,
        batches=sum(map(len, rounds)),
        seconds=round(sum(makespan(each, workers) for each in rounds), 1),
        cpu_hours=round(sum(map(sum, rounds)) / 3600, 2),
        bytes=stored,
        # Everything goes up once; a load brings artifact and observation down.
        moved=stored + shares * len(cells) * (mean + OBSERVATION_BYTES),
        per_hour=per_hour,
    )


def makespan(seconds: Sequence[float], workers: int) -> float:
    """Seconds until all is done, the longest first, each on the worker that is free first."""
    if not seconds:
        return 0.0
    free = [0.0] * min(workers, len(seconds))
    for each in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + each)
    return max(free)
