"""The remedies of cells that failed: tried one after the other, until one brings back everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from tfmatrix.checks.judge import Judge
from tfmatrix.checks.verdict import Verdict
from tfmatrix.core.outcome import Outcome
from tfmatrix.core.records import Try
from tfmatrix.core.status import Status
from tfmatrix.engine.environments import Environments
from tfmatrix.engine.jobs import Jobs
from tfmatrix.engine.loads import Loaded, Loading
from tfmatrix.engine.phase import Phase
from tfmatrix.engine.records import Records
from tfmatrix.engine.remedies import Remedy, attempt, candidates, is_sensible
from tfmatrix.engine.request import RunRequest


@dataclass(kw_only=True)
class _Failing:
    """A cell that failed, while its remedies are tried.

    `promised` are the checks that a remedy has to hold to bring back everything.
    """

    loaded: Loaded
    waiting: list[Remedy]
    promised: tuple[str, ...]
    tries: list[Try] = field(default_factory=list)
    cached: bool


class Tries:
    """Tries what may help a failing cell, and records the cell."""

    def __init__(
        self,
        request: RunRequest,
        environments: Environments,
        jobs: Jobs,
        loading: Loading,
        judge: Judge,
        records: Records,
    ) -> None:
        self._request = request
        self._environments = environments
        self._jobs = jobs
        self._loading = loading
        self._judge = judge
        self._records = records

    def begin(self, loaded: Loaded) -> None:
        """Records a cell that was measured; where it failed, after its remedies were tried."""
        remedies = self._candidates(loaded) if self._request.remedies else ()
        failing = _Failing(
            loaded=loaded,
            waiting=list(remedies),
            # Read from the writer's observation: once for all tries, and not for a cell that needs none.
            promised=self._judge.promised(loaded.load.cell, loaded.load.saved) if remedies else (),
            cached=loaded.cached,
        )
        self._next(failing)

    def _candidates(self, loaded: Loaded) -> tuple[Remedy, ...]:
        cell, verdict = loaded.load.cell, loaded.judgement.verdict
        subject = self._request.subjects[cell.scenario]
        legacy = self._request.legacy_readers.get(cell.reader)
        assert loaded.load.saved.artifact is not None
        return candidates(
            format_id=cell.format,
            status=verdict.status,
            failed_checks=verdict.failed_checks,
            keras=self._environments.versions(cell.reader).keras,
            artifact_kind=loaded.load.saved.artifact["kind"],
            has_definitions=subject.about.has_definitions,
            error=str(verdict.error["message"]) if verdict.error else "",
            legacy_reader=legacy.id if legacy is not None and legacy.id in self._environments else None,
            has_code=subject.has_code,
        )

    def _next(self, failing: _Failing) -> None:
        """Goes on until one brings back everything or none is left; then records the cell."""
        load = failing.loaded.load
        while failing.waiting and not any(each.status is Status.PASS for each in failing.tries):
            remedy = failing.waiting.pop(0)
            if not is_sensible(remedy, failing.tries, _said(failing.loaded.judgement.verdict)):
                continue
            reader = remedy.environment or load.cell.reader
            # Without any, it is the plain load of another environment, which may be a cell that is there already.
            workaround = remedy.workaround or None
            key = self._loading.key(load.cell, load.saved, remedy.loader, reader, workaround)
            stored = self._jobs.stored(key)
            if stored is not None:
                self._add(failing, remedy, stored)
            elif self._request.phase is not Phase.TABLE:
                job = self._loading.job(load.cell, load.saved, remedy.loader, workaround)
                self._jobs.submit(reader, [job], partial(self._end, failing, remedy, key))
                return
        self._records.add(
            load.cell,
            load.saved,
            failing.loaded.outcome,
            failing.loaded.judgement,
            key=load.key,
            cached=failing.cached,
            tries=failing.tries,
            promised=failing.promised,
        )

    def _end(self, failing: _Failing, remedy: Remedy, key: str, outcomes: Sequence[Outcome | None]) -> None:
        outcome = outcomes[0]
        assert outcome is not None, "a remedy is alone in its child"
        self._jobs.keep(key, outcome)
        failing.cached = False
        self._add(failing, remedy, outcome)
        self._next(failing)

    def _add(self, failing: _Failing, remedy: Remedy, outcome: Outcome) -> None:
        load = failing.loaded.load
        verdict = self._judge.judge(
            load.cell, load.saved, outcome, loader=remedy.loader, reader=remedy.environment
        ).verdict
        failing.tries.append(attempt(remedy.name, verdict.status, verdict.checks, failing.promised, _said(verdict)))


def _said(verdict: Verdict) -> str:
    """The exception behind a verdict in one line; empty where there is none."""
    return f"{verdict.error['type']}: {verdict.error['message']}" if verdict.error else ""
