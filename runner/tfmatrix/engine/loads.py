"""The loads of a run: each cell looked up in the store, else loaded by its reader, and judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any

from tfmatrix.checks.judge import Judge, Judgement
from tfmatrix.core.ids import CellId
from tfmatrix.core.outcome import Outcome
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.engine.environments import Environments
from tfmatrix.engine.jobs import Asked, Jobs
from tfmatrix.engine.measured import key_of_load
from tfmatrix.engine.plan import Plan
from tfmatrix.engine.records import Records
from tfmatrix.engine.request import RunRequest
from tfmatrix.engine.saves import Saves
from tfmatrix.store.content import Store
from tfmatrix.worker.retraining import RETRAIN, is_trained


@dataclass(frozen=True, kw_only=True)
class Load:
    """A cell that is to be loaded, and the key under which the store keeps what comes of it.

    `crashed` is what a first try came to, where that was a crash: it is believed after the second.
    """

    cell: CellId
    saved: Outcome
    key: str
    crashed: Outcome | None = None


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A load that was measured, now or before (`cached`), and its verdict."""

    load: Load
    outcome: Outcome
    judgement: Judgement
    cached: bool


class Loading:
    """How an artifact is loaded: the job for a worker, and the key of what comes of it."""

    def __init__(self, request: RunRequest, environments: Environments, store: Store) -> None:
        self._request = request
        self._environments = environments
        self._store = store

    def job(self, cell: CellId, saved: Outcome, loader: str, remedies: Sequence[str] = ()) -> dict[str, Any]:
        """Loads the artifact of a cell with the loader of a format, perhaps as remedies (their files) change that."""
        assert saved.artifact is not None
        assert saved.observation is not None
        chosen = self._request.formats[loader]
        return {
            "kind": RETRAIN if is_trained(chosen.checks) else "load",
            **self._request.subjects[cell.scenario].load_code(),
            "format": chosen.to_job(),
            "artifact": self._store.folder(saved.artifact["digest"]) / saved.artifact["name"],
            "reference": self._store.folder(saved.observation),
            "remedies": list(remedies),
        }

    def key(
        self,
        cell: CellId,
        saved: Outcome,
        loader: str,
        reader: str,
        remedies: Sequence[str] = (),
    ) -> str:
        """The key of that job in a reader."""
        subject = self._request.subjects[cell.scenario]
        return key_of_load(
            saved,
            self._request.formats[loader],
            scenario=subject.about.digest,
            settings=self._request.settings,
            environment=self._environments.key(reader),
            remedies=remedies,
            is_file=subject.is_file,
        )


class Loads:
    """Loads cells whose saves are there; `then` gets each that was measured, `then_known` what others measured."""

    def __init__(
        self,
        request: RunRequest,
        environments: Environments,
        jobs: Jobs,
        loading: Loading,
        store: Store,
        judge: Judge,
        records: Records,
        then: Callable[[Loaded], None],
        then_known: Callable[[CellId, CellRecord], None],
    ) -> None:
        self._request = request
        self._store = store
        self._plan: Plan = request.plan
        self._environments = environments
        self._jobs = jobs
        self._loading = loading
        self._judge = judge
        self._records = records
        self._then = then
        self._then_known = then_known
        self._open: set[CellId] = set()
        self._after: list[tuple[frozenset[CellId], Callable[[], None]]] = []

    def begin(self, saves: Saves, cells: Sequence[CellId]) -> None:
        """Loads cells of one scenario and writer.

        Of a file the writer's own cells come first: what differs in them is no fault of a reader (see Judge).
        """
        own = [cell for cell in cells if cell.reader == cell.writer and self._request.subjects[cell.scenario].is_file]
        others = [cell for cell in cells if cell not in own]
        self._load(saves, own, then=lambda: self._load(saves, others))

    def _load(self, saves: Saves, cells: Sequence[CellId], then: Callable[[], None] = lambda: None) -> None:
        """Loads cells; calls `then` when all that are here are judged."""
        elsewhere: list[CellId] = []
        for _, group in groupby(sorted(cells, key=lambda cell: cell.reader), key=lambda cell: cell.reader):
            waiting = [load for cell in group if (load := self._settled(saves, cell)) is not None]
            here = [load for load in waiting if not saves.is_elsewhere(self._plan.save_of(load.cell))]
            elsewhere += [load.cell for load in waiting if load not in here]
            self._open.update(load.cell for load in here)
            self._submit(here)
        if elsewhere:
            missing = sorted({self._plan.save_of(cell) for cell in elsewhere})
            saves.make(missing, lambda _: self._load(saves, elsewhere))
        if self._open.isdisjoint(cells):
            then()
        else:
            self._after.append((frozenset(cells), then))

    def _settled(self, saves: Saves, cell: CellId) -> Load | None:
        """Settles a cell that needs no measurement; returns the load of another."""
        unsupported = self._plan.reason(cell)
        if unsupported is not None:
            self._records.add(cell, Outcome(status="unsupported", reason=unsupported), None)
            return None
        save = self._plan.save_of(cell)
        saved = saves[save]
        if saved.status != "ok":
            told, loaded = self._request.subjects[cell.scenario].unsaved(cell, saved)
            self._records.add(cell, told, loaded, cached=saves.is_cached(save))
            return None
        reason = self._environments.unavailable(cell.reader)
        if reason is not None:
            self._records.add(cell, saved, Outcome.infra(reason))
            return None
        subject = self._request.subjects[cell.scenario]
        if subject.is_file and saved.observation is not None:
            chosen, reference = self._request.formats[cell.format], self._store.folder(saved.observation)
            incomparable = subject.incomparable(cell, chosen, reference)
            if incomparable is not None:
                self._records.add(cell, saved, Outcome(status="skipped", reason=incomparable))
                return None
        load = Load(cell=cell, saved=saved, key=self._loading.key(cell, saved, cell.format, cell.reader))
        stored = self._jobs.stored(load.key)
        if stored is not None:
            self._settle(load, stored, cached=True)
            return None
        theirs = saves.of_others(save)
        key = self._loading.key(cell, theirs, cell.format, cell.reader) if theirs is not None else ""
        known = self._request.known.load(str(cell), key)
        if known is not None and not self._is_measured_again(key, known):
            self._records.add_known(cell, known)
            self._then_known(cell, known)
        elif not self._request.phase.loads:
            skipped = Outcome(status="skipped", reason="not in the store, and this phase does not load")
            self._records.add(cell, saved, skipped, key=load.key)
        else:
            return load
        return None

    def _is_measured_again(self, key: str, known: CellRecord) -> bool:
        """Whether a load that others measured is measured nevertheless: for the sample, or to try what helps it."""
        is_wanted = self._request.remedies and known.is_untried
        is_checked = self._request.known.is_checked(key, self._request.run_id)
        return self._request.phase.loads and (is_wanted or is_checked)

    def _submit(self, loads: Sequence[Load]) -> None:
        """Sends loads of one scenario, writer and reader to share a child."""
        groups = [[load] for load in loads] if self._request.isolated else [loads] if loads else []
        for group in groups:
            jobs = [self._loading.job(load.cell, load.saved, load.cell.format) for load in group]
            asks = [Asked(key=load.key, what=load.cell) for load in group]
            self._jobs.submit(group[0].cell.reader, jobs, partial(self._end, tuple(group)), asks=asks)

    def _end(self, loads: Sequence[Load], outcomes: Sequence[Outcome | None]) -> None:
        """Judges what returned. What failed behind another load is tried again alone, before it is believed."""
        again: list[Load] = []
        for position, (load, outcome) in enumerate(zip(loads, outcomes, strict=True)):
            if outcome is None:
                again.append(load)
            elif position and self._judge.judge(load.cell, load.saved, outcome).verdict.status is not Status.PASS:
                self._submit([load])
            elif outcome.status == "crash" and load.crashed is None:
                self._submit([replace(load, crashed=outcome)])
            else:
                if load.crashed is not None and outcome.status != load.crashed.status:
                    # The crash stands: that it does not always happen is worse than if it did.
                    outcome = replace(load.crashed, flaky=True)
                self._jobs.keep(load.key, outcome)
                self._settle(load, outcome, cached=False)
        self._submit(again)

    def _settle(self, load: Load, outcome: Outcome, *, cached: bool) -> None:
        judgement = self._judge.judge(load.cell, load.saved, outcome)
        self._then(Loaded(load=load, outcome=outcome, judgement=judgement, cached=cached))
        self._open.discard(load.cell)
        ready = [then for cells, then in self._after if self._open.isdisjoint(cells)]
        self._after = [each for each in self._after if not self._open.isdisjoint(each[0])]
        for then in ready:
            then()
