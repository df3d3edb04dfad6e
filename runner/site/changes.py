"""What changed from one run to another, cell by cell: worse, better, otherwise, new, gone."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from runner.models import Status
from runner.report.cells import delta
from runner.site.board import Board


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run remembers of a cell: status, ids of its causes, and the largest difference of its outputs."""

    status: Status
    causes: str = ""
    difference: float | None = None
    known: bool = False


@dataclass(frozen=True, kw_only=True)
class Past:
    """A run without its evidence."""

    id: str
    started: str
    finished: str
    set_name: str
    complete: bool
    counts: Mapping[str, int]
    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A cell in two runs; None where it is no part of one of them."""

    cell: str
    before: Outcome | None
    after: Outcome | None


@dataclass(frozen=True, kw_only=True)
class Changes:
    """Two runs compared. `worse`: it passed and fails now. `other`: it fails, for another reason or in another way."""

    before: str
    after: str
    worse: tuple[Change, ...] = ()
    better: tuple[Change, ...] = ()
    other: tuple[Change, ...] = ()
    measured_no_more: tuple[Change, ...] = ()
    added: tuple[Change, ...] = ()
    removed: tuple[Change, ...] = ()
    unchanged: int = field(default=0)

    @property
    def is_empty(self) -> bool:
        """Whether every cell is what it was."""
        return not (self.worse or self.better or self.other or self.measured_no_more or self.added or self.removed)


def remembered(board: Board) -> Past:
    """A run as later ones look back at it."""
    run = board.run
    counts: dict[str, int] = {}
    outcomes = {}
    for record in run.records:
        counts[record.status.value] = counts.get(record.status.value, 0) + 1
        causes = " ".join(cause.id for cause in board.causes_of(record))
        # Runs have the same cells: one name each, however many runs are remembered.
        outcomes[sys.intern(record.cell)] = Outcome(record.status, causes, delta(record), record.known)
    return Past(
        id=run.id,
        started=str(run.header.get("started") or ""),
        finished=str(run.header.get("finished") or ""),
        set_name=str(run.header.get("set") or ""),
        complete=run.is_complete,
        counts=counts,
        outcomes=outcomes,
    )


def compare(before: Past, after: Past) -> Changes:
    """What changed; cells in the order of their ids."""
    kinds: dict[str, list[Change]] = {}
    unchanged = 0
    for cell in sorted({*before.outcomes, *after.outcomes}):
        change = Change(cell=cell, before=before.outcomes.get(cell), after=after.outcomes.get(cell))
        kind = _kind(change)
        if kind:
            kinds.setdefault(kind, []).append(change)
        else:
            unchanged += 1
    found = {kind: tuple(changes) for kind, changes in kinds.items()}
    return Changes(before=before.id, after=after.id, unchanged=unchanged, **found)


def _kind(change: Change) -> str:
    old, new = change.before, change.after
    if old is None:
        return "added"
    if new is None:
        return "removed"
    if old.status is new.status:
        return "other" if old.causes != new.causes else ""
    failed, fails = old.status.is_incompatibility, new.status.is_incompatibility
    if new.status in (Status.INFRA_ERROR, Status.SKIPPED):
        return "measured_no_more"
    if failed and fails:
        return "other"
    if fails:
        return "worse"
    return "better" if failed or new.status is Status.PASS else "other"
