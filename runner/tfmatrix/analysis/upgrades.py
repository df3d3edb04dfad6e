"""May one go from one environment to another? The one verdict that the command `upgrade` and the site give.

What worked in the old environment by itself is asked for in the new one: files of the old one that it must read, and
the same model saved and loaded anew. What failed in the old environment already is no reason against going on; of a
cell that drifted there, the checks that held are asked for. A rollback asks less: the files that the new environment
wrote must be read by the old one again.

Whether the same code still trains the same is a question of its own, with a verdict of its own: files may be safe where
training is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from tfmatrix.analysis.training import is_of_training
from tfmatrix.core.ids import CellId
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import CheckStatus, Status

Pairs = Mapping[tuple[str, str], Sequence[CellRecord]]
"""(writer, reader) → the cells of that pair."""


class UpgradeVerdict(StrEnum):
    """The answer in a word."""

    SAFE = "SAFE"
    CHANGES = "SAFE WITH CHANGES"
    UNSAFE = "UNSAFE"
    UNKNOWN = "UNKNOWN"


WORST_VERDICT_FIRST = (UpgradeVerdict.UNSAFE, UpgradeVerdict.UNKNOWN, UpgradeVerdict.CHANGES, UpgradeVerdict.SAFE)
"""Which of several verdicts decides."""


@dataclass(frozen=True, kw_only=True)
class Upgrade:
    """From one environment to another; a rollback asks only whether `after` reads what `before` wrote.

    `breaks` are cells that work in `before` and then fail with no remedy that brings the model back, `changes` those
    with one, `gone` what `after` cannot write any more, `already` what fails in `before` by itself, `unmeasured` what
    was tried and is not known, `missing` the ids of cells that matter and are no part of the run. `tested` counts the
    cells that worked before and were measured, `read` holds all cells in which `after` reads files of `before`.
    """

    before: str
    after: str
    is_rollback: bool = False
    tested: int
    breaks: tuple[CellRecord, ...]
    changes: tuple[CellRecord, ...]
    gone: tuple[CellRecord, ...]
    already: tuple[CellRecord, ...]
    unmeasured: tuple[CellRecord, ...]
    missing: tuple[str, ...]
    read: tuple[CellRecord, ...]

    @property
    def verdict(self) -> UpgradeVerdict:
        """UNSAFE on one loss without a remedy; never safe where something that matters was not measured."""
        if self.breaks:
            return UpgradeVerdict.UNSAFE
        if self.unmeasured or self.missing or not self.tested:
            return UpgradeVerdict.UNKNOWN
        return UpgradeVerdict.CHANGES if self.changes or self.gone else UpgradeVerdict.SAFE

    @property
    def remedies(self) -> tuple[tuple[str, int], ...]:
        """Remedies by the cells they help, most first."""
        counts = Counter(str(record.remedy) for record in self.changes)
        return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def untried(self) -> int:
        """How many of the cells that break had no remedy tried on them: one may bring them back."""
        return sum(record.is_untried for record in self.breaks)

    @property
    def untried_in_words(self) -> str:
        """What stands behind the number of cells that break; nothing where a remedy was tried on each."""
        return f" (no remedy was tried on {self.untried} of these)" if self.untried else ""

    @property
    def sentence(self) -> str:
        """The verdict in one line, with its figures."""
        parts = []
        if self.breaks:
            tested = cells_in_words(self.tested)
            parts.append(f"{len(self.breaks)} of {tested} that worked break{self.untried_in_words}")
        if self.changes:
            named = ", ".join(name for name, _ in self.remedies[:2])
            needs = "needs" if len(self.changes) == 1 else "need"
            parts.append(f"{cells_in_words(len(self.changes))} {needs} a change ({named})")
        if self.gone:
            parts.append(f"{cells_in_words(len(self.gone))} can no longer be written")
        if self.unmeasured or self.missing:
            parts.append(f"{cells_in_words(len(self.unmeasured) + len(self.missing))} not measured")
        if not self.tested:
            parts.append("nothing that worked before was measured")
        if not parts:
            still = "still does" if self.tested == 1 else "still do"
            parts.append(f"{cells_in_words(self.tested)} that worked {still}")
        if self.already:
            parts.append(f"{len(self.already)} failed in {self.before} already")
        return "; ".join(parts)


def judge_upgrade(
    pairs: Pairs,
    before: str,
    after: str,
    *,
    rollback: bool = False,
    files_only: Collection[str] = (),
    training: bool = False,
) -> Upgrade:
    """What was measured says about going from `before` to `after`; with `rollback` only about the files of `before`.

    With `training` it is about code that is trained anew, and about nothing else; without, about all but that.
    `files_only` names scenarios that are files without the code that made them: they cannot be made anew, and one
    that the old environment does not read was not tested.
    """
    wanted = ((before, after), (before, before), (after, after))
    asked = _about(training, {pair: pairs.get(pair, ()) for pair in wanted})
    return _judged(asked, before, after, rollback=rollback, files_only=files_only)


def _about(training: bool, pairs: Pairs) -> Pairs:
    """The cells of code that is trained anew, or the others."""
    return {pair: tuple(each for each in cells if is_of_training(each) is training) for pair, cells in pairs.items()}


def _judged(pairs: Pairs, before: str, after: str, *, rollback: bool, files_only: Collection[str]) -> Upgrade:
    read = tuple(pairs.get((before, after), ()))
    own = _own(pairs.get((before, before), ()), read)
    anew = () if rollback or before == after else pairs.get((after, after), ())
    breaks, changes, gone, already, unmeasured = [], [], [], [], []
    tested = 0
    # The old environment may have no such format or model: then nothing is asked of the new one.
    not_there = {key for key, base in own.items() if base.status is Status.UNSUPPORTED}
    working = {key for key, base in own.items() if _works(base)}
    for record in (*read, *anew):
        key = (record.scenario, record.format)
        if key in not_there:
            continue
        base, status, works = own.get(key), record.status, key in working
        if works and status.is_measured:
            tested += 1
        match status:
            case Status.PASS:
                pass
            case Status.UNSUPPORTED:
                # Of `read` it speaks of the writer, which is the old environment; of `anew` of the new one.
                if works and record.writer == after:
                    gone.append(record)
            case Status.INFRA_ERROR | Status.SKIPPED:
                if base is None or works or not base.status.is_incompatibility or record.scenario in files_only:
                    unmeasured.append(record)
            case _ if base is not None and base.status.is_incompatibility and not _loses(base, record):
                if record.scenario in files_only and not works:
                    unmeasured.append(record)
                elif record.writer == before:
                    already.append(record)
            case _ if not works:
                # It fails, and nobody knows whether it worked before.
                unmeasured.append(record)
            case _ if record.remedy:
                changes.append(record)
            case _:
                breaks.append(record)
    lost = tuple(record for record in own.values() if record.status.is_unknown)
    unmeasured += [record for record in lost if before != after]
    missing = () if before == after else tuple(_missing(own, read, anew, before, after, rollback, files_only))
    return Upgrade(
        before=before,
        after=after,
        is_rollback=rollback,
        tested=tested,
        breaks=tuple(breaks),
        changes=tuple(changes),
        gone=tuple(gone),
        already=tuple(already),
        unmeasured=tuple(unmeasured),
        missing=missing,
        read=read,
    )


_CALLED_BEFORE = {"savedmodel-tfsm": "savedmodel-signature"}
"""TFSMLayer is Keras 3's way to a signature; where Keras 2 is, the same is called without it."""


def _own(records: Iterable[CellRecord], read: Iterable[CellRecord]) -> dict[tuple[str, str], CellRecord]:
    """What the old environment makes of its own files, by scenario and the format that the new one reads them with."""
    own = {(record.scenario, record.format): record for record in records}
    wanted = {(record.scenario, record.format) for record in read} - set(own)
    for scenario, fmt in sorted(wanted):
        same = (scenario, _CALLED_BEFORE.get(fmt, ""))
        if same in own:
            own[scenario, fmt] = own.pop(same)
    return own


def every_upgrade(pairs: Pairs, environments: Sequence[str]) -> Mapping[tuple[str, str], Upgrade]:
    """Every pair of a run, in matrix order, pairs of one environment included.

    A matrix lists its environments oldest first: to one that stands before is a rollback.
    """
    place = {name: number for number, name in enumerate(environments)}
    files = _about(False, pairs)
    return {
        (before, after): _judged(files, before, after, rollback=place[after] < place[before], files_only=())
        for before in environments
        for after in environments
    }


def pairs_of(records: Iterable[CellRecord]) -> Pairs:
    """(writer, reader) → its cells among the records."""
    found: dict[tuple[str, str], list[CellRecord]] = {}
    for record in records:
        found.setdefault((record.writer, record.reader), []).append(record)
    return found


def neighbours(environments: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of environments that follow each other in the matrix."""
    return list(pairwise(environments))


def cells_in_words(count: int) -> str:
    """`1 cell`, `2 cells`."""
    return "1 cell" if count == 1 else f"{count} cells"


def _held(base: CellRecord) -> set[str]:
    """The checks that held."""
    return {name for name, check in base.checks.items() if check.get("status") == CheckStatus.PASS} - {"warnings"}


def _works(base: CellRecord) -> bool:
    """Whether the old environment gives back what it wrote: all of it, or, where it drifts, more than nothing."""
    return base.status is Status.PASS or (base.status is Status.DRIFT and bool(_held(base) - {"load"}))


def _loses(base: CellRecord, record: CellRecord) -> bool:
    """Whether a failing cell has lost what the old environment, where it fails as well, gave back."""
    if not _works(base):
        return False
    return record.status is not Status.DRIFT or bool(_held(base) & set(record.failed_checks))


def _missing(
    own: Mapping[tuple[str, str], CellRecord],
    read: Iterable[CellRecord],
    anew: Iterable[CellRecord],
    before: str,
    after: str,
    rollback: bool,
    files_only: Collection[str],
) -> Iterator[str]:
    """Ids of cells that the verdict needs and that are not there: of what works, or may work, in `before`."""
    were_read = {(record.scenario, record.format) for record in read}
    were_made = {(record.scenario, record.format) for record in anew}

    def cell(key: tuple[str, str], writer: str, reader: str) -> str:
        return str(CellId(scenario=key[0], format=key[1], writer=writer, reader=reader))

    for key, base in own.items():
        if _works(base):
            if key not in were_read:
                yield cell(key, before, after)
            if key not in were_made and not rollback and key[0] not in files_only:
                yield cell(key, after, after)
    for key in sorted((were_read | were_made) - set(own)):
        yield cell(key, before, before)
