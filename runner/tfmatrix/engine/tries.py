"""The remedies of cells that failed, by cause.

Of the cells of one reader and format that fail for the same cause, the first (in the order of the plan) tries all. The
others then try first what helped it, and stop at what brings back everything. So what is tried depends on what failed,
never on what finished first. To make an artifact anew costs three jobs: the others try it where the run says so, and
model files always, since of them somebody wants an answer for each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from tfmatrix.checks.judge import Judge
from tfmatrix.checks.retraining import Switch, booked, with_switches
from tfmatrix.checks.verdict import Verdict
from tfmatrix.core.outcome import Outcome
from tfmatrix.core.records import Try
from tfmatrix.core.status import Status
from tfmatrix.engine.environments import Environments
from tfmatrix.engine.jobs import Asked, Jobs
from tfmatrix.engine.loads import Loaded, Loading
from tfmatrix.engine.migrating import FORMAT, Migrating, Remade
from tfmatrix.engine.phase import Phase
from tfmatrix.engine.records import Records
from tfmatrix.engine.remedies import Remedy, attempt, candidates, cause_of, in_order, is_sensible
from tfmatrix.engine.request import RunRequest
from tfmatrix.worker.declared import version
from tfmatrix.worker.remedies import Failing
from tfmatrix.worker.retraining import is_trained


@dataclass(kw_only=True)
class _Failing:
    """A cell that failed, while its remedies are tried.

    `promised` are the checks that a remedy has to hold to bring back everything. `is_first`: of its cause. `then` is
    called when all is tried.
    """

    loaded: Loaded
    waiting: list[Remedy]
    promised: tuple[str, ...]
    cached: bool
    is_first: bool = False
    tries: list[Try] = field(default_factory=list)
    switches: list[Switch] = field(default_factory=list)
    then: Callable[[], None] = lambda: None


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
        migrating: Migrating,
    ) -> None:
        self._request = request
        self._environments = environments
        self._jobs = jobs
        self._loading = loading
        self._judge = judge
        self._records = records
        self._migrating = migrating
        self._failing: dict[tuple[str, str, str], list[_Failing]] = defaultdict(list)

    def add(self, loaded: Loaded) -> None:
        """Records a cell that was measured; one that has remedies waits for `begin`."""
        cell = loaded.load.cell
        fails = loaded.judgement.verdict.status.is_incompatibility
        is_given = cell.writer == cell.reader == self._request.baseline
        is_tried = self._request.remedies and fails and not is_given and not loaded.outcome.is_planted
        remedies = candidates(self._facts(loaded)) if is_tried else ()
        failing = _Failing(
            loaded=loaded,
            waiting=list(remedies),
            # Read from the writer's observation: once for all tries, and not for a cell that needs none.
            promised=self._judge.promised(cell, loaded.load.saved) if remedies else (),
            cached=loaded.cached,
        )
        if remedies:
            self._failing[cell.reader, cell.format, cause_of(loaded.judgement.verdict)].append(failing)
        else:
            self._record(failing)

    def begin(self) -> bool:
        """Tries the remedies of the cells that wait, all of whose cause are there; returns whether there were any."""
        if not self._failing:
            return False
        waiting, self._failing = list(self._failing.values()), defaultdict(list)
        fail = {each.loaded.load.cell for cells in waiting for each in cells}
        # Of these alone: a whole map has millions of cells.
        place = {cell: number for number, cell in enumerate(self._request.plan.cells()) if cell in fail}
        for cells in waiting:
            first, *others = sorted(cells, key=lambda each: place[each.loaded.load.cell])
            first.is_first = True
            first.then = partial(self._follow, first, others)
            self._next(first)
        return True

    def _follow(self, first: _Failing, others: Sequence[_Failing]) -> None:
        for each in others:
            each.waiting = in_order(each.waiting, first.tries)
            self._next(each)

    def _facts(self, loaded: Loaded) -> Failing:
        """What remedies want to know of a cell that fails."""
        cell, verdict = loaded.load.cell, loaded.judgement.verdict
        subject = self._request.subjects[cell.scenario]
        legacy = self._request.legacy_readers.get(cell.reader)
        assert loaded.load.saved.artifact is not None
        return Failing(
            loader=self._request.formats[cell.format].loader,
            drifts="load" not in verdict.failed_checks,
            failed_checks=frozenset(verdict.failed_checks),
            keras=version(self._environments.versions(cell.reader).keras),
            artifact_kind=loaded.load.saved.artifact["kind"],
            has_definitions=subject.about.has_definitions,
            error=str(verdict.error["message"]) if verdict.error else "",
            legacy_reader=legacy.id if legacy is not None and legacy.id in self._environments else None,
            has_code=subject.has_code,
            is_mixed=is_trained(self._request.formats[cell.format].checks) and self._judge.is_mixed(loaded.load.saved),
            dies=verdict.status is Status.CRASH,
        )

    def _next(self, failing: _Failing) -> None:
        """Goes on until none is left, or, behind the first of a cause, one brings back everything; then records."""
        load = failing.loaded.load
        while failing.waiting and (failing.is_first or not any(each.status is Status.PASS for each in failing.tries)):
            remedy = failing.waiting.pop(0)
            if not is_sensible(remedy, failing.tries, _said(failing.loaded.judgement.verdict)):
                continue
            if remedy.migrates:
                if self._request.has_writers and self._may_migrate(failing):
                    self._migrating.begin(load, partial(self._end_migration, failing, remedy))
                    return
                continue
            reader = self._environment(remedy.environment or load.cell.reader, remedy)
            if reader is None:
                continue
            loader = remedy.loader or load.cell.format
            # Where it changes nothing, it is the plain load of another cell, which may be there already.
            key = self._loading.key(load.cell, load.saved, loader, reader, remedy.modules)
            stored = self._jobs.stored(key)
            if stored is not None:
                self._add(failing, remedy, stored)
                if self._begin_design(failing, remedy, stored):
                    return
            elif self._request.phase is not Phase.TABLE:
                job = self._loading.job(load.cell, load.saved, loader, remedy.modules)
                self._jobs.submit(reader, [job], partial(self._end, failing, remedy, key), asks=[Asked(key=key)])
                return
        self._record(failing)
        failing.then()

    def _may_migrate(self, failing: _Failing) -> bool:
        is_file = self._request.subjects[failing.loaded.load.cell.scenario].is_file
        return failing.is_first or is_file or self._request.migrates

    def _end_migration(self, failing: _Failing, remedy: Remedy, remade: Remade | None) -> None:
        if remade is not None:
            if remade.outcome is None:
                found = attempt(remedy.name, Status.LOAD_ERROR, {}, failing.promised, remade.problem)
            else:
                verdict = self._judge.judge(
                    failing.loaded.load.cell, remade.saved, remade.outcome, loader=FORMAT
                ).verdict
                found = attempt(remedy.name, verdict.status, verdict.checks, failing.promised, _said(verdict))
            failing.cached = failing.cached and not remade.fresh
            failing.tries.append(replace(found, seconds=remade.seconds))
        self._next(failing)

    def _record(self, failing: _Failing) -> None:
        load, judgement = failing.loaded.load, failing.loaded.judgement
        self._records.add(
            load.cell,
            load.saved,
            failing.loaded.outcome,
            replace(judgement, attribution=with_switches(judgement.attribution, failing.switches)),
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
        if not self._begin_design(failing, remedy, outcome):
            self._next(failing)

    def _environment(self, name: str, remedy: Remedy) -> str | None:
        """Where a remedy is tried: an environment, or one with variables of its own; None where that is not here."""
        if not remedy.variables:
            return name
        if name not in self._environments:
            return None
        return self._environments.varied(name, dict(remedy.variables))

    def _begin_design(self, failing: _Failing, remedy: Remedy, turned: Outcome) -> bool:
        """Sends off what is left of a 2 x 2 design, versions against a switch: the writer with the switch turned.

        `turned` is what the reader came to with it. Returns whether there is something to wait for.
        """
        load = failing.loaded.load
        is_here = self._request.has_writers and load.cell.writer in self._environments
        writer = self._environment(load.cell.writer, remedy) if remedy.is_switch and is_here else None
        if writer is None:
            return False
        key = self._loading.key(load.cell, load.saved, load.cell.format, writer, remedy.modules)
        stored = self._jobs.stored(key)
        if stored is not None:
            self._book(failing, remedy, turned, stored)
        elif self._request.phase is not Phase.TABLE:
            job = self._loading.job(load.cell, load.saved, load.cell.format, remedy.modules)
            then = partial(self._end_design, failing, remedy, turned, key)
            self._jobs.submit(writer, [job], then, asks=[Asked(key=key)])
            return True
        return False

    def _end_design(
        self, failing: _Failing, remedy: Remedy, turned: Outcome, key: str, outcomes: Sequence[Outcome | None]
    ) -> None:
        outcome = outcomes[0]
        assert outcome is not None, "it is alone in its child"
        self._jobs.keep(key, outcome)
        failing.cached = False
        self._book(failing, remedy, turned, outcome)
        self._next(failing)

    def _book(self, failing: _Failing, remedy: Remedy, turned: Outcome, there: Outcome) -> None:
        """Books what differs to the switch or to the version; `there` is the writer with the switch turned.

        What raises with it on either side tells nothing.
        """
        load, plain = failing.loaded.load, failing.loaded.outcome
        if there.observation is None or turned.observation is None:
            return
        cell, saved = load.cell, load.saved
        both = self._judge.judge(cell, replace(saved, observation=there.observation), turned)
        old = self._judge.judge(replace(cell, reader=cell.writer), saved, there)
        before = replace(saved, observation=plain.observation)
        new = self._judge.judge(replace(cell, writer=cell.reader), before, turned)
        failed = failing.loaded.judgement.verdict.failed_checks
        failing.switches.append(
            booked(remedy.name, failed, both=both.verdict.checks, old=old.verdict.checks, new=new.verdict.checks)
        )

    def _add(self, failing: _Failing, remedy: Remedy, outcome: Outcome) -> None:
        load = failing.loaded.load
        verdict = self._judge.judge(
            load.cell, load.saved, outcome, loader=remedy.loader, reader=remedy.environment
        ).verdict
        found = attempt(remedy.name, verdict.status, verdict.checks, failing.promised, _said(verdict))
        failing.tries.append(replace(found, seconds=outcome.total_seconds))


def _said(verdict: Verdict) -> str:
    """The exception behind a verdict in one line; empty where there is none."""
    return f"{verdict.error['type']}: {verdict.error['message']}" if verdict.error else ""
