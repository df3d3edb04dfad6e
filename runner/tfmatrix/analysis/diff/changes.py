"""What changed from one run to another, cell by cell: worse, better, otherwise, new, gone."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tfmatrix.analysis.causes import Cause
from tfmatrix.analysis.records import delta
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
    """Cell → what a run remembers of it, kept by scenario and format: a whole map has millions of ids to write out."""

    def __init__(self, cells: Iterable[tuple[str, str, str, PastCell]] = ()) -> None:
        """Of each cell `scenario/format`, writer, reader, and what it came to."""
        self.squares: dict[str, dict[tuple[str, str], PastCell]] = {}
        pairs: dict[tuple[str, str], tuple[str, str]] = {}
        for square, writer, reader, outcome in cells:
            pair = (writer, reader)
            # One tuple for each pair, in however many squares it is.
            self.squares.setdefault(square, {})[pairs.setdefault(pair, pair)] = outcome

    @classmethod
    def of(cls, outcomes: Mapping[str, PastCell]) -> Outcomes:
        """Outcomes by the ids of their cells."""
        return outcomes if isinstance(outcomes, cls) else cls((*_ends(cell), found) for cell, found in outcomes.items())

    def __getitem__(self, cell: str) -> PastCell:
        square, writer, reader = _ends(cell)
        return self.squares[square][writer, reader]

    def __iter__(self) -> Iterator[str]:
        for square, cells in self.squares.items():
            yield from (cell_of(square, writer, reader) for writer, reader in cells)

    def __len__(self) -> int:
        return sum(map(len, self.squares.values()))

    def shared_with(self, other: Outcomes) -> int:
        """How many cells both have."""
        there = other.squares
        return sum(
            len(there[square].keys() & cells.keys()) for square, cells in self.squares.items() if square in there
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


def remembered(run: Run, causes: Iterable[Cause]) -> Past:
    """A run as later ones look back at it; `causes` are those of the run."""
    counts: dict[str, int] = {}
    alike: dict[PastCell, PastCell] = {}
    ids: dict[str, str] = {}
    # By id: the rank of a cause, which is their order otherwise, changes with the cells of other scenarios.
    found_causes = sorted(causes, key=lambda cause: cause.id)
    for cause in found_causes:
        for cell in cause.cells:
            ids[cell] = f"{ids[cell]} {cause.id}" if cell in ids else cause.id

    def cells() -> Iterator[tuple[str, str, str, PastCell]]:
        for record in run.records:
            status = record.status
            counts[status.value] = counts.get(status.value, 0) + 1
            is_inferred = record.inferred is not None
            found = sys.intern(ids.get(record.cell, "")) if status.is_incompatibility else ""
            state = PastCell(status, found, delta(record), record.known, record.key, is_inferred)
            # Inferred ones have no key of their own, and are equal in their thousands.
            square = f"{record.scenario}/{record.format}"
            yield square, record.writer, record.reader, alike.setdefault(state, state) if is_inferred else state

    outcomes = Outcomes(cells())
    return Past(
        id=run.id,
        started=str(run.header.get("started") or ""),
        finished=str(run.header.get("finished") or ""),
        set_name=str(run.header.get("set") or ""),
        complete=run.is_complete,
        counts=counts,
        outcomes=outcomes,
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
    old, new = Outcomes.of(before.outcomes).squares, Outcomes.of(after.outcomes).squares
    for square in {**old, **new}:
        there, here = old.get(square, {}), new.get(square, {})
        scenario = square.split("/")[0]
        for pair in {**there, **here}:
            state, now = there.get(pair), here.get(pair)
            writer, reader = pair
            floor = max(past.noise.get(f"{scenario}/{writer}", 0.0) for past in (before, after))
            kind = _kind(state, now, floor)
            if kind:
                change = Change(cell=cell_of(square, writer, reader), before=state, after=now)
                kinds.setdefault(kind, []).append(change)
            else:
                unchanged += 1
    found = {kind: tuple(sorted(changes, key=lambda each: each.cell)) for kind, changes in kinds.items()}
    return Changes(before=before.id, after=after.id, unchanged=unchanged, **found)


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
