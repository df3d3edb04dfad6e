"""How long a run will take, and how much it writes and downloads, before it starts: judged by the runs before it.

`expected` looks at the store and at earlier runs; `estimate_lines` is the upper bound that a run's preamble gives.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tfmatrix.engine.host import slots
from tfmatrix.engine.plan import Plan, Save
from tfmatrix.engine.stored import Missing, missing
from tfmatrix.project.project import Project
from tfmatrix.store.runs import newest_headers

SAVE_SECONDS = 2.0
LOAD_SECONDS = 1.5
"""Of one save and one load of a small model on one core, without the worker's start (measured on 2 cores)."""

START_SECONDS = 8.0
INSTALL_SECONDS = 45.0
"""Of an environment: its worker's start, and its installation with the downloads."""

DOWNLOAD_GIGABYTES = 0.6
DISK_GIGABYTES = 2.0
"""Of one environment that is not there yet, at most."""

LONG_SECONDS = 300

ARTIFACT_BYTES = 200_000.0
"""Of a save, where no run tells: the mean of the first published night."""

OBSERVATION_BYTES = 50_000
"""Of an observation, of which each save and each load leaves one."""

_MEASURED = 0.28
"""The share of adaptive cells that is measured where no run tells: that of a complete square of 47 environments."""

LONG = 3600.0
"""Seconds that nobody waits for without having been asked."""

_QUICK = 200
"""Saves and loads that never take so long: not worth a look at the store."""


@dataclass(kw_only=True)
class Timings:
    """What saves and loads took in one run, by format: count, seconds, bytes. Only what was measured in it."""

    saves: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0, 0.0, 0.0]))
    loads: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0, 0.0]))

    def add_save(self, saver: str, seconds: float, size: int) -> None:
        """Counts a save."""
        entry = self.saves[saver]
        entry[0], entry[1], entry[2] = entry[0] + 1, entry[1] + seconds, entry[2] + size

    def add_load(self, name: str, seconds: float, remedies: float) -> None:
        """Counts a load, with what its remedies took."""
        entry = self.loads[name]
        entry[0], entry[1] = entry[0] + 1, entry[1] + seconds + remedies

    def to_json(self) -> dict[str, Any]:
        """As run.json has it."""
        return {
            "saves": {name: [count, round(seconds, 1), size] for name, (count, seconds, size) in self.saves.items()},
            "loads": {name: [count, round(seconds, 1)] for name, (count, seconds) in self.loads.items()},
        }


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run is expected to measure and infer, in `seconds` with `jobs` at once, and the bytes that it writes.

    `basis` says what tells so.
    """

    saves: int
    loads: int
    inferred: int
    seconds: float
    bytes: float
    jobs: int
    basis: str

    def __str__(self) -> str:
        inferred = f", {self.inferred} cells inferred" if self.inferred else ""
        takes = f"about {duration(self.seconds)} with {self.jobs} at once, {self.bytes / 1e9:.1f} GB in the store"
        return f"{self.saves} saves and {self.loads} loads{inferred}: {takes} ({self.basis})"

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return asdict(self)


def estimate(
    plan: Plan, saves: Sequence[Save], loads: int, *, headers: Iterable[Mapping[str, Any]], jobs: int
) -> Estimate:
    """The estimate for a plan of which `saves` and `loads` are not in the store.

    `headers` are the run.json of earlier runs, the newest first: the first with timings of a format tells of it.
    """
    past = Past(headers)
    total = adaptive = 0
    for square in plan.squares:
        written = set(square.writers)
        total += sum(writer in written for writer, _ in square.pairs)
        adaptive += sum(writer in written for writer, _ in square.adaptive)
    lacking = loads / total if total else 0.0
    measured = round(lacking * (total - adaptive + past.share * adaptive))
    names = [square.format for square in plan.squares]
    per_load = sum(past.load(name) for name in names) / len(names) if names else LOAD_SECONDS
    made = [past.save(save.saver) for save in saves]
    seconds = sum(each for each, _ in made) + measured * per_load
    size = sum(each for _, each in made) + (len(saves) + measured) * OBSERVATION_BYTES
    return Estimate(
        saves=len(saves),
        loads=measured,
        inferred=max(0, loads - measured) if adaptive else 0,
        seconds=seconds / jobs,
        bytes=size,
        jobs=jobs,
        basis=past.basis,
    )


class Past:
    """What earlier runs took."""

    def __init__(self, headers: Iterable[Mapping[str, Any]]) -> None:
        self._saves: dict[str, Sequence[float]] = {}
        self._loads: dict[str, Sequence[float]] = {}
        self.share = _MEASURED
        has_share = False
        self.basis = "no run tells: by the means of small models"
        for header in headers:
            timings = header.get("timings") or {}
            for known, found in ((self._saves, timings.get("saves")), (self._loads, timings.get("loads"))):
                for name, entry in (found or {}).items():
                    if entry[0]:
                        known.setdefault(name, entry)
                        self.basis = "by earlier runs"
            inference = header.get("inference") or {}
            if not has_share and inference.get("inferred"):
                has_share = True
                # Of an earlier version's run: it does not tell which of the measured cells could have been inferred.
                of = inference.get("of") or inference["measured"] + inference["inferred"]
                self.share = 1 - inference["inferred"] / of

    def save(self, saver: str) -> tuple[float, float]:
        """Seconds and bytes of a save."""
        entry = self._saves.get(saver)
        return (entry[1] / entry[0], entry[2] / entry[0]) if entry else (SAVE_SECONDS, ARTIFACT_BYTES)

    def load(self, name: str) -> float:
        """Seconds of a load."""
        entry = self._loads.get(name)
        return entry[1] / entry[0] if entry else LOAD_SECONDS


def expected(project: Project, plan: Plan, *, jobs: int | None = None) -> tuple[Missing, Estimate]:
    """What of a plan the project's store lacks, and what measuring that will take."""
    lacking = missing(project, plan)
    found = estimate(
        plan,
        lacking.saves,
        lacking.loads,
        headers=newest_headers(project.results),
        jobs=jobs or slots(project.config.defaults),
    )
    return lacking, found


def may_take_long(plan: Plan) -> bool:
    """Whether a plan is large enough for an estimate."""
    return len(plan.saves) + plan.size > _QUICK


def estimate_lines(*, saves: int, loads: int, slots: int, locks: Collection[str], environments: Path) -> list[str]:
    """What is told of the time and the room that a run needs.

    `locks` are the digests of its environments' locks, empty for one that is not locked yet; `environments` is the
    folder of those that are installed. What the store has already takes no time: this is an upper bound.
    """
    there = installed_locks(environments)
    missing = sum(each not in there for each in locks)
    work = saves * SAVE_SECONDS + loads * LOAD_SECONDS + len(locks) * START_SECONDS
    seconds = work / max(1, slots) + missing * INSTALL_SECONDS
    lines = [f"time         at most about {duration(seconds)}; what was measured before takes none"]
    if missing:
        lines.append(
            f"room         {missing} environments are not installed: up to {missing * DOWNLOAD_GIGABYTES:.1f} GB of "
            f"downloads and {missing * DISK_GIGABYTES:.0f} GB of disk"
        )
    if seconds > LONG_SECONDS:
        lines.append("             --scenario, --format and --only ask for less")
    return lines


def installed_locks(environments: Path) -> set[str]:
    """The digests of the locks whose environments are there."""
    found = set()
    for marker in environments.glob("*/tfmatrix.json"):
        try:
            found.add(str(json.loads(marker.read_text(encoding="utf-8")).get("lock", "")))
        except (OSError, ValueError):
            continue
    return found - {""}


def duration(seconds: float) -> str:
    """`40 s`, `4 minutes`, `3 hours`."""
    if seconds < 60:
        return f"{math.ceil(seconds / 10) * 10} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minutes" if minutes < 90 else f"{math.ceil(minutes / 60)} hours"
