"""May one go from one environment to another? A verdict for every pair, from what the run measured.

What worked in the old environment by itself is asked for in the new one: files of the old one that it must read, and
the same model saved and loaded anew. What failed in the old environment already is no reason against going on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from runner.models import CellRecord, Status
from runner.site.board import Board, Tally


class Verdict(StrEnum):
    """The answer in a word."""

    SAFE = "SAFE"
    CHANGES = "SAFE WITH CHANGES"
    UNSAFE = "UNSAFE"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, kw_only=True)
class Upgrade:
    """From one environment to another; a rollback where `after` is the older one.

    `breaks` are cells that work in `before` and then fail with no remedy that makes them pass, `changes` those with
    one, `gone` what `after` cannot write any more, `already` what fails in `before` by itself, `unmeasured` what nobody
    knows. `tested` counts the cells that worked before and were measured.
    """

    before: str
    after: str
    tested: int
    breaks: tuple[CellRecord, ...]
    changes: tuple[CellRecord, ...]
    gone: tuple[CellRecord, ...]
    already: tuple[CellRecord, ...]
    unmeasured: tuple[CellRecord, ...]
    by_format: Mapping[str, Tally]

    @property
    def verdict(self) -> Verdict:
        """UNSAFE on one loss without a remedy; never safe where something was not measured."""
        if self.breaks:
            return Verdict.UNSAFE
        if self.unmeasured or not self.tested:
            return Verdict.UNKNOWN
        return Verdict.CHANGES if self.changes or self.gone else Verdict.SAFE

    @property
    def remedies(self) -> tuple[tuple[str, int], ...]:
        """Remedies by the cells they help, most first."""
        counts = Counter(str(record.remedy) for record in self.changes)
        return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def sentence(self) -> str:
        """The verdict in one line, with its figures."""
        parts = []
        if self.breaks:
            parts.append(f"{len(self.breaks)} of {_cells(self.tested)} that worked break")
        if self.changes:
            named = ", ".join(name for name, _ in self.remedies[:2])
            parts.append(f"{_cells(len(self.changes))} need a change ({named})")
        if self.gone:
            parts.append(f"{_cells(len(self.gone))} can no longer be written")
        if self.unmeasured:
            parts.append(f"{_cells(len(self.unmeasured))} not measured")
        if not self.tested:
            parts.append("nothing that worked before was measured")
        if not parts:
            parts.append(f"{_cells(self.tested)} that worked still do")
        if self.already:
            parts.append(f"{len(self.already)} failed in {self.before} already")
        return "; ".join(parts)


def upgrade(board: Board, before: str, after: str) -> Upgrade:
    """What the run says about going from `before` to `after`."""
    own = {(record.scenario, record.format): record for record in board.pairs.get((before, before), ())}
    read = board.pairs.get((before, after), ())
    anew = board.pairs.get((after, after), ()) if before != after else ()
    breaks, changes, gone, already, unmeasured = [], [], [], [], []
    tested = 0
    for record in (*read, *anew):
        base = own.get((record.scenario, record.format))
        if base is not None and base.status in (Status.UNSUPPORTED, Status.SKIPPED) and record.writer == before:
            continue
        worked = base is None or base.status is Status.PASS
        if worked and (record.status is Status.PASS or record.status.is_incompatibility):
            tested += 1
        match record.status:
            case Status.PASS:
                pass
            case Status.UNSUPPORTED:
                # Of `read` it speaks of the writer, which is the old environment; of `anew` of the new one.
                if worked and base is not None and record.writer == after:
                    gone.append(record)
            case Status.INFRA_ERROR | Status.SKIPPED:
                unmeasured.append(record)
            case _ if not worked:
                if record.writer == before:
                    already.append(record)
            case _ if record.remedy:
                changes.append(record)
            case _:
                breaks.append(record)
    return Upgrade(
        before=before,
        after=after,
        tested=tested,
        breaks=tuple(breaks),
        changes=tuple(changes),
        gone=tuple(gone),
        already=tuple(already),
        unmeasured=tuple(unmeasured),
        by_format={fmt: Tally.of(record for record in read if record.format == fmt) for fmt in board.formats},
    )


def every_upgrade(board: Board) -> Mapping[tuple[str, str], Upgrade]:
    """Every pair of the run, in matrix order, pairs of one environment included."""
    return {
        (before, after): upgrade(board, before, after) for before in board.environments for after in board.environments
    }


def neighbours(environments: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of environments that follow each other in the matrix."""
    return list(pairwise(environments))


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"
