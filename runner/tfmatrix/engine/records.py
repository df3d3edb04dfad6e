"""The records of a run, as they come; and what of them only the whole run tells."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tfmatrix.checks.executes import NAME as EXECUTES
from tfmatrix.checks.judge import Judge, Judgement
from tfmatrix.checks.policy import promised as is_promised
from tfmatrix.core.ids import CellId
from tfmatrix.core.outcome import Outcome
from tfmatrix.core.records import SAVE_AS, CellRecord, Try, is_of_other_format
from tfmatrix.core.status import CheckStatus, Status
from tfmatrix.engine.environments import Environments
from tfmatrix.engine.estimate import Timings
from tfmatrix.engine.progress import Progress
from tfmatrix.engine.remedies import attempt, best, is_last_resort
from tfmatrix.store.runs import RunWriter
from tfmatrix.worker.declared import Format
from tfmatrix.worker.retraining import is_trained

LOST = "tfmatrix lost this cell: it was planned, and nothing was recorded of it; please report that"


class Records:
    """Journals the record of every cell. With `remedies` a failing cell's get what helps it."""

    def __init__(
        self, judge: Judge, writer: RunWriter, progress: Progress, formats: Mapping[str, Format], *, remedies: bool
    ) -> None:
        self._judge = judge
        self._writer = writer
        self._progress = progress
        self._formats = formats
        self._remedies = remedies
        self._records: dict[CellId, CellRecord] = {}
        self._tries: dict[CellId, Sequence[Try]] = {}
        self._promised: dict[CellId, Sequence[str]] = {}
        self._inferred: Mapping[CellId, tuple[CellId, str]] = {}
        self._by_policy: dict[tuple[str, str, str, bool], bool] = {}
        self.timings = Timings()
        self.key_of_save: Callable[[CellId], str] = lambda cell: ""  # noqa: ARG005
        self.class_of: Callable[[str], str | None] = lambda artifact: None  # noqa: ARG005

    def add(
        self,
        cell: CellId,
        saved: Outcome,
        loaded: Outcome | None,
        judgement: Judgement | None = None,
        *,
        key: str = "",
        cached: bool = False,
        tries: Sequence[Try] = (),
        promised: Sequence[str] = (),
    ) -> None:
        """Journals a cell. `promised` are the checks that its remedies were judged by."""
        if tries:
            self._tries[cell] = tries
        if promised:
            self._promised[cell] = promised
        record = self._judge.record(cell, saved, loaded, judgement)
        record = record.but(
            key=key,
            cached=cached,
            save={**record.save, "key": self.key_of_save(cell)},
            artifact=self._with_class(record.artifact),
            **_of_tries(tries, record),
        )
        self._records[cell] = record
        self._writer.add(record)
        self._progress.loaded(record)
        if loaded is not None and not cached:
            self.timings.add_load(cell.format, loaded.total_seconds, sum(each.seconds for each in tries))

    def add_known(self, cell: CellId, known: CellRecord) -> None:
        """Journals a cell that others measured, perhaps as another: equal artifacts of two writers are one load."""
        known = CellRecord.at(known.result, cell.scenario, cell.format, cell.writer, cell.reader)
        tries = [Try.from_json(each) for each in known.remedies if not is_of_other_format(each)]
        if tries:
            self._tries[cell] = tries
        artifact = self._with_class(known.artifact)
        record = self._judge.marked(known.but(cached=True, artifact=artifact, **_of_tries(tries, known)))
        self._records[cell] = record
        self._writer.add(record)
        self._progress.loaded(record)

    def _with_class(self, artifact: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """An artifact with its class, where that is known: by it others infer from an archive what this run would."""
        if artifact is None:
            return None
        kept = {name: value for name, value in artifact.items() if name != "class"}
        found = self.class_of(str(artifact["digest"]))
        return kept if found is None else {**kept, "class": found}

    def is_listed(self, cell: CellId, status: Status, source: CellId) -> bool:
        """Whether known_failures.yaml lists a cell with a status, and with what failed at the one that was measured."""
        record = self._records.get(source)  # none while its remedies are tried
        return self._judge.is_known(cell, status, record.failed_checks if record is not None else ())

    def infer(self, sources: Mapping[CellId, tuple[CellId, str]]) -> None:
        """Says which cells are inferred, from which that was measured, and by what. `complete` journals them."""
        self._inferred = sources

    def complete(self, environments: Environments, savers: Mapping[str, str], planned: Iterable[CellId]) -> None:
        """Adds what needs the other cells: promises of the version policy, other formats as remedies.

        `savers` maps formats to those whose artifacts they read. A cell of `planned` that has no record is lost, and
        says so.
        """
        for cell in planned:
            if cell not in self._records and cell not in self._inferred:
                self.add(cell, Outcome.infra(LOST), None)
        others = [name for name in savers if not is_trained(self._formats[name].checks)]
        for cell, record in list(self._records.items()):
            completed, by_policy = record, self._is_promised(cell, environments)
            if by_policy != record.promised:
                completed = record.but(promised=by_policy)
            if self._remedies and record.status.is_incompatibility and EXECUTES not in record.checks:
                beside = (self._known(replace(cell, format=name)) for name in others)
                completed = self._with_other_formats(completed, [each for each in beside if each], savers)
            if completed is not record and completed != record:
                self._records[cell] = completed
                self._writer.add(completed)
        for cell, (source, by) in self._inferred.items():
            inferred = self._judge.inferred_record(cell, self._records[source], by)
            inferred = inferred.but(promised=self._is_promised(cell, environments))
            self._writer.add(inferred)
            self._progress.loaded(inferred)

    def _known(self, cell: CellId) -> CellRecord | None:
        """The record of a cell; where it is inferred, the one that it is inferred from, as if it were its own."""
        if cell in self._inferred:
            source = self._records[self._inferred[cell][0]]
            return CellRecord.at(source.result, cell.scenario, cell.format, cell.writer, cell.reader)
        return self._records.get(cell)

    def _is_promised(self, cell: CellId, environments: Environments) -> bool:
        if cell.writer not in environments or cell.reader not in environments:
            return False
        own = self._known(CellId(scenario=cell.scenario, format=cell.format, writer=cell.writer, reader=cell.writer))
        works_in_writer = own is not None and own.status is Status.PASS
        question = (self._formats[cell.format].policy, cell.writer, cell.reader, works_in_writer)
        if question not in self._by_policy:
            policy, writer, reader = question[0], *map(environments.versions, question[1:3])
            self._by_policy[question] = bool(is_promised(policy, writer, reader, works_in_writer=works_in_writer))
        return self._by_policy[question]

    def _with_other_formats(
        self, record: CellRecord, siblings: Sequence[CellRecord], savers: Mapping[str, str]
    ) -> CellRecord:
        """Another format that the writer could have saved in instead is a cell of its own: no need to try it.

        Code that is trained anew is none: nothing is saved.
        """
        tries = list(self._tries.get(record.id, ()))
        wanted = self._wanted(record, siblings)
        for other in siblings:
            if savers[other.format] != savers[record.format] and other.status in (Status.PASS, Status.DRIFT):
                found = attempt(SAVE_AS + other.format, other.status, other.checks, wanted, "")
                if found.brings_back_the_model:
                    tries.append(found)
        return replace(record, **_of_tries(sorted(tries, key=lambda each: is_last_resort(each.name)), record))

    def _wanted(self, record: CellRecord, siblings: Sequence[CellRecord]) -> Collection[str]:
        """The checks that another format must hold to be as good as a failing cell's own: those that its own promises.

        Never those of the other format alone: one that brings back functions would cost nothing beside one that brings
        back a model to train.
        """
        own = self._known(replace(record.id, reader=record.writer))
        if record.status is Status.DRIFT:
            return _applicable(record)
        if record.id in self._promised:
            return self._promised[record.id]
        if own is not None and own.status in (Status.PASS, Status.DRIFT):
            return _applicable(own)
        # It loads nowhere, or was not even saved: what any format gives back of this model.
        found = dict.fromkeys(name for other in siblings for name in _applicable(other))
        return [name for name in found if name != "signatures"]


def _of_tries(tries: Sequence[Try], record: CellRecord) -> dict[str, Any]:
    """The fields of a record that its tries fill."""
    return {"remedies": tuple(each.to_json() for each in tries), "remedy": best(tries, record.failed_checks)}


def _applicable(record: CellRecord) -> list[str]:
    """The checks that could be made."""
    return [name for name, check in record.checks.items() if check["status"] != CheckStatus.NOT_APPLICABLE]
