"""What changed from one run to another, cell by cell: worse, better, otherwise, new, gone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfmatrix.analysis.causes import Cause
from tfmatrix.analysis.records import delta
from tfmatrix.analysis.squares import NONE, Squares, present
from tfmatrix.core.status import Status
from tfmatrix.core.text import figure
from tfmatrix.store.runs import Run

GROWTH = 1.1
"""A drift has grown where it is larger by a tenth, and by more than the noise: the last digits are no news."""


@dataclass(frozen=True, slots=True)
class PastCell:
    """What a run remembers of a cell: status, ids of its causes, and the largest difference of its outputs.

    `causes` is None where they are not told (a published file has statuses only). `key` is that of the measurement,
    which one that is `inferred` has not.
    """

    status: Status
    causes: str | None = ""
    difference: float | None = None
    known: bool = False
    key: str = ""
    inferred: bool = False


class Outcomes(Mapping[str, PastCell]):
    """Cell → what a run remembers of it, as numbers: a whole map has millions of cells that came to much the same.

    `states` are what cells came to. `blocks` maps `scenario/format` to places among these, writers × readers, NONE
    where there is no cell.
    """

    def __init__(
        self,
        *,
        writers: Sequence[str],
        readers: Sequence[str],
        states: Sequence[PastCell],
        blocks: Mapping[str, NDArray[np.int32]],
    ) -> None:
        self.writers = {name: place for place, name in enumerate(writers)}
        self.readers = {name: place for place, name in enumerate(readers)}
        self.states = states
        self.blocks = blocks

    @classmethod
    def of(cls, outcomes: Mapping[str, PastCell]) -> Outcomes:
        """Outcomes by the ids of their cells."""
        if isinstance(outcomes, cls):
            return outcomes
        ends = [_ends(cell) for cell in outcomes]
        writers = {writer: place for place, writer in enumerate(dict.fromkeys(writer for _, writer, _ in ends))}
        readers = {reader: place for place, reader in enumerate(dict.fromkeys(reader for _, _, reader in ends))}
        blocks: dict[str, NDArray[np.int32]] = {}
        for place, (square, writer, reader) in enumerate(ends):
            if square not in blocks:
                blocks[square] = np.full((len(writers), len(readers)), NONE, np.int32)
            blocks[square][writers[writer], readers[reader]] = place
        return cls(writers=[*writers], readers=[*readers], states=[*outcomes.values()], blocks=blocks)

    def __getitem__(self, cell: str) -> PastCell:
        square, writer, reader = _ends(cell)
        place = int(self.blocks[square][self.writers[writer], self.readers[reader]])
        if place == NONE:
            raise KeyError(cell)
        return self.states[place]

    def __iter__(self) -> Iterator[str]:
        return (cell for cell, _ in self.where(lambda state: True))  # noqa: ARG005

    def __len__(self) -> int:
        return sum(int((block != NONE).sum()) for block in self.blocks.values())

    def where(self, holds: Callable[[PastCell], bool], scenario: str | None = None) -> Iterator[tuple[str, PastCell]]:
        """The cells, of one scenario or of all, whose outcome fulfils a condition; with it."""
        # The last one stands for NONE.
        chosen = np.array([*map(holds, self.states), False], bool)
        writers, readers = [*self.writers], [*self.readers]
        for square, block in self.blocks.items():
            if scenario is not None and square.split("/")[0] != scenario:
                continue
            for writer, reader in np.argwhere(chosen[block]).tolist():
                yield cell_of(square, writers[writer], readers[reader]), self.states[block[writer, reader]]

    def aligned(self, square: str, writers: Sequence[str], readers: Sequence[str]) -> NDArray[np.int32]:
        """A block with other writers and readers, or more of them."""
        block = self.blocks.get(square)
        if block is None:
            return np.full((len(writers), len(readers)), NONE, np.int32)
        if writers == [*self.writers] and readers == [*self.readers]:
            return block
        # A row and a column more, of NONE: the last ones.
        block = np.pad(block, (0, 1), constant_values=NONE)
        rows = [self.writers.get(name, -1) for name in writers]
        return block[np.ix_(rows, [self.readers.get(name, -1) for name in readers])]

    def shared_with(self, other: Outcomes) -> int:
        """How many cells both have."""
        writers, readers = [*self.writers], [*self.readers]
        return sum(
            int(((block != NONE) & (other.aligned(square, writers, readers) != NONE)).sum())
            for square, block in self.blocks.items()
            if square in other.blocks
        )


def cell_of(square: str, writer: str, reader: str) -> str:
    """The id of a cell of a square, `scenario/format`."""
    return f"{square}/{writer}/{reader}" if square else "/".join(filter(None, (writer, reader)))


def _ends(cell: str) -> tuple[str, str, str]:
    """The square of a cell (`scenario/format`), its writer and its reader; empty where an id has fewer parts."""
    square, writer, reader = ["", "", *cell.rsplit("/", 2)][-3:]
    return square, writer, reader


@dataclass(frozen=True, kw_only=True)
class Past:
    """A run without its evidence. `noise` is the floor of the outputs by `scenario/writer`, where it is not nothing.

    `titles` are those of the causes by id, `environments` what run.json says of each, in matrix order; both are empty
    where they are not told.
    """

    id: str
    started: str
    finished: str
    set_name: str
    complete: bool
    counts: Mapping[str, int]
    outcomes: Mapping[str, PastCell]
    noise: Mapping[str, float] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Change:
    """A cell in two runs; None where it is no part of one of them."""

    cell: str
    before: PastCell | None
    after: PastCell | None


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Two runs compared.

    `worse`: it did not fail, or nobody knew, and fails now. `grown`: it drifts for the same cause, further, and by more
    than the writer's noise. `other`: it fails for another reason or in another way. `measured_no_more`: nobody knows.
    `inferred`: it has another status now by inference alone, which is no news: what it is inferred from was measured.
    """

    before: str
    after: str
    worse: tuple[Change, ...] = ()
    grown: tuple[Change, ...] = ()
    better: tuple[Change, ...] = ()
    other: tuple[Change, ...] = ()
    measured_no_more: tuple[Change, ...] = ()
    inferred: tuple[Change, ...] = ()
    added: tuple[Change, ...] = ()
    removed: tuple[Change, ...] = ()
    unchanged: int = field(default=0)

    @property
    def is_empty(self) -> bool:
        """Whether every cell is what it was."""
        return not any(self.by_kind().values())

    @property
    def alarming(self) -> tuple[Change, ...]:
        """What got worse and is not listed in known_failures.yaml: what somebody has to look at."""
        return tuple(change for change in (*self.worse, *self.grown) if change.after and not change.after.known)

    def by_kind(self) -> Mapping[str, tuple[Change, ...]]:
        """The changes under the names of their kinds, the worst first."""
        return {kind: getattr(self, kind) for kind in KINDS}


KINDS: Mapping[str, str] = {
    "worse": "worse",
    "grown": "drifted further",
    "other": "otherwise different",
    "measured_no_more": "not measured any more",
    "better": "better",
    "inferred": "otherwise inferred",
    "added": "new",
    "removed": "gone",
}
"""Kinds of changes as text."""


def remembered(run: Run, causes: Iterable[Cause], squares: Squares | None = None) -> Past:
    """A run as later ones look back at it; `causes` are those of the run, `squares` too, where they are at hand."""
    squares = squares or Squares.of(run)
    # By id: the rank of a cause, which is their order otherwise, changes with the cells of other scenarios.
    found_causes = sorted(causes, key=lambda cause: cause.id)
    ids: dict[int, list[str]] = {}
    for cause in found_causes:
        for kind in present(squares.kind[cause.cells.places]):
            ids.setdefault(kind, []).append(cause.id)
    states: dict[PastCell, int] = {}
    state_of = np.full(len(squares.examples) + 1, NONE, np.int32)  # The last one stands for NONE.
    differences, difference_of = squares.distinct(delta, "failed_checks", "checks")
    for kind, (record, difference) in enumerate(zip(squares.examples, difference_of.tolist(), strict=True)):
        is_inferred = record.inferred is not None
        state = PastCell(
            record.status, " ".join(ids.get(kind, ())), differences[difference], record.known, record.key, is_inferred
        )
        state_of[kind] = states.setdefault(state, len(states))
    statuses, status_of = squares.distinct(lambda record: record.status, "status")
    counts = np.bincount(status_of[squares.kind], minlength=len(statuses)).tolist()
    by_status = {status.value: count for status, count in zip(statuses, counts, strict=True)}
    return Past(
        id=run.id,
        started=str(run.header.get("started") or ""),
        finished=str(run.header.get("finished") or ""),
        set_name=str(run.header.get("set") or ""),
        complete=run.is_complete,
        counts=by_status,
        outcomes=Outcomes(
            writers=squares.environments,
            readers=squares.environments,
            states=[*states],
            blocks={"/".join(square): state_of[block] for square, block in squares.blocks.items()},
        ),
        noise=_noise_of_outputs(run),
        titles={cause.id: cause.title for cause in found_causes},
        environments=dict(run.header.get("environments") or {}),
    )


def headline(changes: Changes) -> str:
    """`3 worse, 1 better`; `nothing changed` where it is so."""
    counted = [f"{len(cells)} {KINDS[kind]}" for kind, cells in changes.by_kind().items() if cells]
    return ", ".join(counted) or "nothing changed"


def compare(before: Past, after: Past) -> Changes:
    """What changed; cells in the order of their ids."""
    kinds: dict[str, list[Change]] = {}
    unchanged = 0
    old, new = Outcomes.of(before.outcomes), Outcomes.of(after.outcomes)
    writers, readers = [*{**old.writers, **new.writers}], [*{**old.readers, **new.readers}]
    for square in {**old.blocks, **new.blocks}:
        scenario = square.split("/")[0]
        floors = [
            max(past.noise.get(f"{scenario}/{writer}", 0.0) for past in (before, after))
            if before.noise or after.noise
            else 0.0
            for writer in writers
        ]
        distinct = {floor: place for place, floor in enumerate(dict.fromkeys(floors))}
        # What a cell was, what it is, and the noise: thousands of cells ask the same.
        there, here = (each.aligned(square, writers, readers).astype(np.int64) + 1 for each in (old, new))
        noise = np.array([distinct[floor] for floor in floors], np.int64)[:, None]
        asked = (there * (len(new.states) + 1) + here) * len(distinct) + noise
        asked[(there == 0) & (here == 0)] = NONE
        for number, count in zip(*(each.tolist() for each in np.unique(asked, return_counts=True)), strict=True):
            if number == NONE:
                continue
            both, floor = divmod(number, len(distinct))
            was, now = divmod(both, len(new.states) + 1)
            state = old.states[was - 1] if was else None
            found = new.states[now - 1] if now else None
            kind = _kind(state, found, [*distinct][floor])
            if kind:
                changed = kinds.setdefault(kind, [])
                for writer, reader in np.argwhere(asked == number).tolist():
                    cell = cell_of(square, writers[writer], readers[reader])
                    changed.append(Change(cell=cell, before=state, after=found))
            else:
                unchanged += count
    sorted_changes = {kind: tuple(sorted(changes, key=lambda each: each.cell)) for kind, changes in kinds.items()}
    return Changes(before=before.id, after=after.id, unchanged=unchanged, **sorted_changes)


def _kind(old: PastCell | None, new: PastCell | None, floor: float) -> str:
    if old is None:
        return "added"
    if new is None:
        return "removed"
    if new.inferred:
        return "" if old.status is new.status else "inferred"
    if old.status is new.status:
        told = old.causes is not None and new.causes is not None
        if told and old.causes != new.causes:
            return "other"
        return "grown" if _has_grown(old.difference, new.difference, floor) else ""
    failed, fails = old.status.is_incompatibility, new.status.is_incompatibility
    if new.status.is_unknown:
        return "measured_no_more"
    if failed and fails:
        return "other"
    if fails:
        return "worse"
    return "better" if failed or new.status is Status.PASS else "other"


def _has_grown(old: float | None, new: float | None, floor: float) -> bool:
    if old is None or new is None or math.isnan(old):
        return False
    if math.isnan(new) or math.isinf(new):
        return not math.isinf(old)
    return new > GROWTH * old and new - old > floor


def _noise_of_outputs(run: Run) -> dict[str, float]:
    """What the writer's own fresh processes differ by in their outputs, as run.json has it."""
    floors = {}
    for pair, checks in (run.header.get("noise") or {}).items():
        figures = [figure(each.get("max_abs")) for each in (checks.get("outputs") or {}).values()]
        finite = [value for value in figures if value is not None and math.isfinite(value)]
        if finite:
            floors[str(pair)] = max(finite)
    return floors
