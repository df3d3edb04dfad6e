"""The course of a run: saves, then loads, then remedies for what failed; each looked up in the store first.

Everything here happens on one thread. The scheduler's threads only talk to workers.
"""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from tfmatrix.checks.judge import Judge, Judgement
from tfmatrix.checks.observation import Observation
from tfmatrix.checks.policy import promised
from tfmatrix.checks.verdict import Verdict
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.core.ids import CellId
from tfmatrix.core.outcome import INFRA, Outcome
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import CheckStatus, Status
from tfmatrix.core.versions import Versions
from tfmatrix.engine.phase import Phase
from tfmatrix.engine.plan import Save, writer_versions
from tfmatrix.engine.progress import Progress
from tfmatrix.engine.remedies import SAVE_AS, Remedy, Try, attempt, best, candidates, is_sensible
from tfmatrix.engine.request import RunRequest
from tfmatrix.engine.scheduler import Scheduler, Task, TaskOutcome
from tfmatrix.executors.base import Executor, Mounts, Prepared, WorkerProcess
from tfmatrix.store.content import Store, size_of_tree
from tfmatrix.store.keys import load_key, save_key
from tfmatrix.store.runs import RunWriter

MAX_IDLE_WORKERS = 6
"""Workers kept without work; each holds an imported TensorFlow (about 0.5 GB)."""


@dataclass(frozen=True, kw_only=True)
class _Load:
    """A cell that is to be loaded, and the key under which the store keeps what comes of it.

    `crashed` is what a first try came to, where that was a crash: it is believed after the second.
    """

    cell: CellId
    saved: Outcome
    key: str
    crashed: Outcome | None = None


@dataclass(kw_only=True)
class _Failing:
    """A cell that failed, while its remedies are tried one after the other.

    `promised` are the checks that a remedy has to hold to bring back everything.
    """

    load: _Load
    loaded: Outcome
    judgement: Judgement
    cached: bool
    waiting: list[Remedy]
    promised: tuple[str, ...] = ()
    tries: list[Try] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _RemedyTag:
    failing: _Failing
    remedy: Remedy
    key: str


class Execution:
    """The state of one run while it goes on. `run()` once."""

    def __init__(self, request: RunRequest, executor: Executor, progress: Progress, writer: RunWriter) -> None:
        self._request = request
        self._plan = request.plan
        self._scenarios = {scenario.name: scenario for scenario in request.plan.scenarios}
        self._executor = executor
        self._progress = progress
        self._writer = writer
        self._store = Store(request.store)
        self._work = self._store.root / "work" / writer.id
        self._folders = 0
        self._prepared: dict[str, Prepared] = {}
        self._unavailable: dict[str, str] = {}
        self._saves: dict[Save, Outcome] = {}
        self._cached_saves: set[Save] = set()
        self._open_saves: dict[tuple[str, str], set[Save]] = defaultdict(set)
        self._cells_of_pair: dict[tuple[str, str], list[CellId]] = defaultdict(list)
        self._records: dict[CellId, CellRecord] = {}
        self._tries: dict[CellId, list[Try]] = {}
        self._promised: dict[CellId, tuple[str, ...]] = {}
        max_idle = 0 if request.isolated else MAX_IDLE_WORKERS
        self._scheduler = Scheduler(self._start_worker, slots=request.slots, max_idle=max_idle)

    def run(self) -> None:
        """Prepares, saves, loads, judges. Raises ConfigError for an environment that is wrong in matrix.yaml."""
        self._prepare_environments()
        self._judge = Judge(
            store=self._store,
            run=self._writer.id,
            tolerances=self._request.defaults,
            known_failures=self._request.known_failures,
            keras={name: self._versions(name).keras for name in self._prepared},
        )
        self._work.mkdir(parents=True, exist_ok=True)
        try:
            self._measure()
            self._complete_records()
            self._writer.update_header({"noise": self._judge.noise})
        finally:
            shutil.rmtree(self._work, ignore_errors=True)

    def _measure(self) -> None:
        for cell in self._plan.cells:
            self._cells_of_pair[cell.scenario, cell.writer].append(cell)
        for save in self._plan.saves:
            self._open_saves[save.scenario, save.writer].add(save)
        self._progress.saves(len(self._plan.saves))
        self._progress.loads(len(self._plan.cells))
        for save in self._plan.saves:
            self._begin_save(save)
        for pair in list(self._cells_of_pair):
            self._begin_loads_when_saved(pair)
        for done in self._scheduler.outcomes():
            tag = done.task.tag
            if isinstance(tag, Save):
                self._end_save(tag, done)
            elif isinstance(tag, _RemedyTag):
                self._end_try(tag, done)
            else:
                self._end_loads(tag, done)

    # Environments

    def _prepare_environments(self) -> None:
        """Provides every environment of the plan. One that fails costs its own cells."""
        environments = self._plan.environments
        self._progress.environments(len(environments))

        def prepare(environment: Environment) -> None:
            start = time.monotonic()
            self._progress.environment_started(environment.id)
            try:
                prepared = self._executor.prepare(environment)
            except InfrastructureError as error:
                self._unavailable[environment.id] = str(error)
                self._progress.warning(f"{environment.id} cannot be provided: {error}")
                return
            self._prepared[environment.id] = prepared
            self._progress.environment_ready(environment.id, time.monotonic() - start, "")

        with ThreadPoolExecutor(max_workers=self._request.slots) as pool:
            for _ in pool.map(prepare, environments):
                pass  # a ConfigError is raised here
        listed = (self._request.whole or self._plan).environments
        described = {each.id: self._describe(each) for each in environments}
        self._writer.update_header({"environments": {each.id: described.get(each.id, {}) for each in listed}})

    def _versions(self, environment_id: str) -> Versions:
        """TensorFlow, and the Keras that `tf.keras` is there: tf-keras where it is switched on."""
        prepared = self._prepared[environment_id]
        found = writer_versions(prepared.environment, prepared.packages)
        return Versions(
            tensorflow=found.get("tensorflow", prepared.tensorflow), keras=found.get("keras", prepared.keras)
        )

    def _describe(self, environment: Environment) -> dict[str, Any]:
        prepared = self._prepared.get(environment.id)
        if prepared is None:
            return {"unavailable": self._unavailable[environment.id]}
        return dict(prepared.describe)

    def _start_worker(self, environment_id: str) -> WorkerProcess:
        mounts = Mounts(scenarios=self._request.scenario_folder, store=self._store.root / "folders", work=self._work)
        return self._executor.start(self._prepared[environment_id], mounts)

    def _submit(self, environment: str, tag: Any, *jobs: Mapping[str, Any]) -> None:
        defaults = self._request.defaults
        common = {"seed": defaults.seed, "steps": self._request.resume_steps}
        self._scheduler.submit(
            Task(
                environment=environment,
                jobs=tuple({**job, **common, "folder": self._new_folder()} for job in jobs),
                timeout=defaults.timeout,
                memory=defaults.memory,
                tag=tag,
            )
        )

    def _new_folder(self) -> Path:
        self._folders += 1
        return self._work / f"job-{self._folders}"

    # Saves

    def _save_key(self, save: Save) -> str:
        return save_key(
            scenario=self._scenarios[save.scenario].digest,
            saver=save.saver,
            settings=self._request.settings,
            environment=self._prepared[save.writer].key,
        )

    def _begin_save(self, save: Save) -> None:
        if save.writer in self._unavailable:
            self._settle_save(save, Outcome.infra(self._unavailable[save.writer]))
            return
        stored = self._read(self._save_key(save))
        if stored is not None:
            self._cached_saves.add(save)
            self._settle_save(save, stored)
        elif self._request.phase in (Phase.LOAD, Phase.TABLE):
            self._settle_save(save, Outcome(status="skipped", reason="not in the store, and this phase does not save"))
        else:
            self._submit(save.writer, save, self._save_job(save))

    def _save_job(self, save: Save) -> dict[str, Any]:
        adopted = self._request.adopted.get(save.scenario)
        if adopted is None:
            path = Path(self._scenarios[save.scenario].path)
            return {"kind": "save", "scenario": path, "saver": save.saver}
        artifact = self._store.folder(adopted.digest) / adopted.name
        return {
            "kind": "adopt",
            "format": adopted.loader,
            "artifact": artifact,
            "inputs": adopted.inputs,
            **adopted.code,
        }

    def _end_save(self, save: Save, done: TaskOutcome) -> None:
        outcome = self._outcomes_of(done)[0]
        assert outcome is not None, "a save is alone in its child"
        if save.scenario in self._request.adopted and outcome.status == "ok":
            outcome = replace(outcome, artifact=self._request.adopted[save.scenario].artifact)
        if outcome.status != INFRA:
            self._store.write_outcome(self._save_key(save), outcome.to_json())
        self._settle_save(save, outcome)
        self._begin_loads_when_saved((save.scenario, save.writer))

    def _settle_save(self, save: Save, outcome: Outcome) -> None:
        self._saves[save] = outcome
        if save.scenario in self._request.adopted:
            self._tell_adopted(save.scenario, outcome)
        self._open_saves[save.scenario, save.writer].discard(save)
        self._progress.saved(str(save), ok=outcome.status in ("ok", "unsupported"), cached=save in self._cached_saves)

    def _tell_adopted(self, scenario: str, outcome: Outcome) -> None:
        """Notes in run.json what a model file was measured on: inputs and targets may have been made up."""
        told: dict[str, Any] = dict(self._request.adopted[scenario].told)
        if outcome.observation is not None:
            document = Observation.read(self._store.folder(outcome.observation)).document
            given = document.get("given") or {}
            told["inputs"] = given.get("described") or []
            told["network"] = given.get("network") or ""
            told["note"] = given.get("note") or ""
            told["absent"] = dict(document.get("notes") or {})
        if outcome.status != "ok":
            told["problem"] = {"phase": outcome.phase, "reason": outcome.reason, "error": outcome.error}
        self._writer.update_header({"adopted": {scenario: told}})

    # Loads

    def _begin_loads_when_saved(self, pair: tuple[str, str]) -> None:
        """Starts the loads of a scenario and writer once all its saves are there: together they tell the noise."""
        if self._open_saves[pair]:
            return
        cells = self._cells_of_pair.pop(pair, [])
        saves = {self._plan.save_of(cell) for cell in cells}
        observations = [self._saves[save].observation for save in saves if save in self._saves]
        self._judge.measure_noise(pair, [digest for digest in observations if digest is not None])
        for reader, group in groupby(sorted(cells, key=lambda cell: cell.reader), key=lambda cell: cell.reader):
            self._begin_loads(reader, list(group))

    def _begin_loads(self, reader: str, cells: Sequence[CellId]) -> None:
        waiting: list[_Load] = []
        for cell in cells:
            if cell in self._plan.unsupported:
                self._record(cell, Outcome(status="unsupported", reason=self._plan.unsupported[cell]), None)
                continue
            save = self._plan.save_of(cell)
            saved = self._saves[save]
            if cell.scenario in self._request.adopted and saved.status not in ("ok", INFRA, "skipped"):
                self._record_not_adopted(cell, saved)
            elif saved.status != "ok":
                self._record(cell, saved, None, cached=save in self._cached_saves)
            elif reader in self._unavailable:
                self._record(cell, saved, Outcome.infra(self._unavailable[reader]))
            else:
                load = _Load(cell=cell, saved=saved, key=self._load_key(cell, saved, cell.format, reader))
                stored = self._read(load.key)
                if stored is not None:
                    self._settle_load(load, stored, cached=True)
                elif self._request.phase in (Phase.SAVE, Phase.TABLE):
                    reason = "not in the store, and this phase does not load"
                    self._record(cell, saved, Outcome(status="skipped", reason=reason), key=load.key)
                else:
                    waiting.append(load)
        self._submit_loads(waiting)

    def _record_not_adopted(self, cell: CellId, saved: Outcome) -> None:
        """Of a model file that its writer cannot load (its own cell says so), or that came with what does not fit."""
        artifact = Outcome(status="ok", artifact=self._request.adopted[cell.scenario].artifact)
        if cell.reader == cell.writer and saved.phase in (None, "load"):
            self._record(cell, artifact, saved)
            return
        error = saved.error or {}
        said = f"{error.get('type') or saved.status}: {error.get('message') or saved.reason}"
        reason = f"there is nothing to compare with, because {cell.writer} cannot load the file itself: {said}"
        self._record(cell, artifact, Outcome(status="skipped", reason=reason))

    def _submit_loads(self, loads: Sequence[_Load]) -> None:
        """Sends loads of one scenario, writer and reader to share a child."""
        groups = [[load] for load in loads] if self._request.isolated else [loads] if loads else []
        for group in groups:
            jobs = [self._load_job(load, load.cell.format) for load in group]
            self._submit(group[0].cell.reader, tuple(group), *jobs)

    def _load_job(self, load: _Load, loader: str, workaround: Mapping[str, Any] | None = None) -> dict[str, Any]:
        saved = load.saved
        assert saved.artifact is not None
        assert saved.observation is not None
        adopted = self._request.adopted.get(load.cell.scenario)
        code: dict[str, Any] = {"scenario": Path(self._scenarios[load.cell.scenario].path)}
        return {
            "kind": "load",
            **(code if adopted is None else {"adopted": True, **adopted.code}),
            "format": loader,
            "artifact": self._store.folder(saved.artifact["digest"]) / saved.artifact["name"],
            "reference": self._store.folder(saved.observation),
            "workaround": None if workaround is None else dict(workaround),
        }

    def _load_key(
        self, cell: CellId, saved: Outcome, loader: str, reader: str, workaround: Mapping[str, Any] | None = None
    ) -> str:
        assert saved.artifact is not None
        assert saved.observation is not None
        return load_key(
            artifact=saved.artifact["digest"],
            reference=saved.observation,
            scenario=self._scenarios[cell.scenario].digest,
            format_id=loader,
            settings=self._request.settings,
            environment=self._prepared[reader].key,
            workaround=workaround,
        )

    def _end_loads(self, loads: Sequence[_Load], done: TaskOutcome) -> None:
        """Judges what returned. What failed behind another load is tried again alone, before it is believed."""
        again: list[_Load] = []
        for position, (load, outcome) in enumerate(zip(loads, self._outcomes_of(done), strict=True)):
            if outcome is None:
                again.append(load)
            elif position and self._judge.judge(load.cell, load.saved, outcome).verdict.status is not Status.PASS:
                self._submit_loads([load])
            elif outcome.status == "crash" and load.crashed is None:
                self._submit_loads([replace(load, crashed=outcome)])
            else:
                if load.crashed is not None and outcome.status != load.crashed.status:
                    # The crash stands: that it does not always happen is worse than if it did.
                    outcome = replace(load.crashed, flaky=True)
                if outcome.status != INFRA:
                    self._store.write_outcome(load.key, outcome.to_json())
                self._settle_load(load, outcome, cached=False)
        self._submit_loads(again)

    def _settle_load(self, load: _Load, loaded: Outcome, *, cached: bool) -> None:
        """A cell's load is there: record it, or try remedies first."""
        judgement = self._judge.judge(load.cell, load.saved, loaded)
        verdict = judgement.verdict
        assert load.saved.artifact is not None
        adopted = self._request.adopted.get(load.cell.scenario)
        scenario = self._scenarios[load.cell.scenario]
        remedies = (
            ()
            if not self._request.remedies
            else candidates(
                format_id=load.cell.format,
                status=verdict.status,
                failed_checks=verdict.failed_checks,
                keras=self._versions(load.cell.reader).keras,
                artifact_kind=load.saved.artifact["kind"],
                has_definitions=scenario.has_definitions if adopted is None else adopted.has_definitions,
                error=str(verdict.error["message"]) if verdict.error else "",
                legacy_reader=self._legacy_reader(load.cell.reader),
                has_code=adopted is None or adopted.builder is not None,
            )
        )
        failing = _Failing(
            load=load,
            loaded=loaded,
            judgement=judgement,
            cached=cached,
            waiting=list(remedies),
            # Read from the writer's observation: once for all tries, and not for a cell that needs none.
            promised=self._judge.promised(load.cell, load.saved) if remedies else (),
        )
        self._try_next(failing)

    def _legacy_reader(self, reader: str) -> str | None:
        environment = self._request.legacy_readers.get(reader)
        return environment.id if environment is not None and environment.id in self._prepared else None

    # Remedies

    def _try_next(self, failing: _Failing) -> None:
        """Goes on with a cell's remedies until one brings back everything or none is left; then records the cell."""
        load = failing.load
        while failing.waiting and not any(each.status is Status.PASS for each in failing.tries):
            remedy = failing.waiting.pop(0)
            if not is_sensible(remedy, failing.tries, _said(failing.judgement.verdict)):
                continue
            reader = remedy.environment or load.cell.reader
            # Without any, it is the plain load of another environment, which may be a cell that is there already.
            workaround = remedy.workaround or None
            key = self._load_key(load.cell, load.saved, remedy.loader, reader, workaround)
            stored = self._read(key)
            if stored is not None:
                self._add_try(failing, remedy, stored)
            elif self._request.phase is not Phase.TABLE:
                tag = _RemedyTag(failing=failing, remedy=remedy, key=key)
                self._submit(reader, tag, self._load_job(load, remedy.loader, workaround))
                return
        self._tries[load.cell] = failing.tries
        if failing.promised:
            self._promised[load.cell] = failing.promised
        self._record(load.cell, load.saved, failing.loaded, failing.judgement, key=load.key, cached=failing.cached)

    def _end_try(self, tag: _RemedyTag, done: TaskOutcome) -> None:
        outcome = self._outcomes_of(done)[0]
        assert outcome is not None, "a remedy is alone in its child"
        if outcome.status != INFRA:
            self._store.write_outcome(tag.key, outcome.to_json())
        tag.failing.cached = False
        self._add_try(tag.failing, tag.remedy, outcome)
        self._try_next(tag.failing)

    def _add_try(self, failing: _Failing, remedy: Remedy, outcome: Outcome) -> None:
        load = failing.load
        verdict = self._judge.judge(
            load.cell, load.saved, outcome, loader=remedy.loader, reader=remedy.environment
        ).verdict
        failing.tries.append(attempt(remedy.name, verdict.status, verdict.checks, failing.promised, _said(verdict)))

    # What only the whole run tells

    def _complete_records(self) -> None:
        """Adds to the records what needs the others: promises of the version policy, other formats as remedies."""
        siblings: dict[tuple[str, str, str], list[CellRecord]] = defaultdict(list)
        for record in self._records.values():
            siblings[record.scenario, record.writer, record.reader].append(record)
        for cell, record in list(self._records.items()):
            completed = replace(record, promised=self._is_promised(cell))
            if self._request.remedies and record.status.is_incompatibility:
                completed = self._with_other_formats(completed, siblings[cell.scenario, cell.writer, cell.reader])
            if completed != record:
                self._records[cell] = completed
                self._writer.add(completed)

    def _is_promised(self, cell: CellId) -> bool:
        if cell.writer not in self._prepared or cell.reader not in self._prepared:
            return False
        own = self._records.get(replace(cell, reader=cell.writer))
        works_in_writer = own is not None and own.status is Status.PASS
        writer, reader = self._versions(cell.writer), self._versions(cell.reader)
        return bool(promised(cell, writer, reader, works_in_writer=works_in_writer))

    def _with_other_formats(self, record: CellRecord, siblings: Sequence[CellRecord]) -> CellRecord:
        """Another format that the writer could have saved in instead is a cell of its own: no need to try it."""
        saver = self._plan.savers[record.format]
        tries = list(self._tries.get(record.id, ()))
        wanted = self._wanted(record, siblings)
        for other in siblings:
            if self._plan.savers[other.format] != saver and other.status in (Status.PASS, Status.DRIFT):
                found = attempt(SAVE_AS + other.format, other.status, other.checks, wanted, "")
                if found.brings_back_the_model:
                    tries.append(found)
        return self._with_tries(record, tries)

    def _wanted(self, record: CellRecord, siblings: Sequence[CellRecord]) -> Collection[str]:
        """The checks that another format must hold to be as good as a failing cell's own: those that its own promises.

        Never those of the other format alone: one that brings back functions would cost nothing beside one that brings
        back a model to train.
        """
        own = self._records.get(replace(record.id, reader=record.writer))
        if record.status is Status.DRIFT:
            return _applicable(record)
        if record.id in self._promised:
            return self._promised[record.id]
        if own is not None and own.status in (Status.PASS, Status.DRIFT):
            return _applicable(own)
        # It loads nowhere, or was not even saved: what any format gives back of this model.
        found = dict.fromkeys(name for other in siblings for name in _applicable(other))
        return [name for name in found if name != "signatures"]

    @staticmethod
    def _with_tries(record: CellRecord, tries: Sequence[Try]) -> CellRecord:
        return replace(
            record,
            remedies=tuple(each.to_json() for each in tries),
            remedy=best(tries, record.failed_checks, record.status),
        )

    # Results

    def _outcomes_of(self, done: TaskOutcome) -> list[Outcome | None]:
        """An outcome per job; None for those that were not reached and must be sent again."""
        outcomes: list[Outcome | None] = [
            self._outcome_of(job["folder"], result) for job, result in zip(done.task.jobs, done.results, strict=False)
        ]
        missing = len(done.task.jobs) - len(outcomes)
        if done.ended is None:
            return [*outcomes, *[Outcome.infra(done.failure, done.log)] * missing]
        if missing and done.ended["reason"] != "stopped":
            outcomes.append(Outcome.of_death(done.ended))
            missing -= 1
        return [*outcomes, *[None] * missing]

    def _outcome_of(self, folder: Path, result: Mapping[str, Any]) -> Outcome:
        """Moves what a job wrote into the store and makes an outcome of its result."""
        if result["status"] == "internal-error":
            error = result["error"]
            return Outcome.infra(f"the worker failed: {error['type']}: {error['message']}", error["traceback"])
        artifact = None
        if result["artifact"] is not None:
            size = size_of_tree(folder / "artifact")
            artifact = {**result["artifact"], "bytes": size, "digest": self._store.add_folder(folder / "artifact")}
        observation = None
        if result["observation"] is not None:
            observation = self._store.add_folder(folder / result["observation"])
        shutil.rmtree(folder, ignore_errors=True)
        return Outcome(
            status=result["status"],
            phase=result["phase"],
            reason=result["reason"],
            error=result["error"],
            warnings=tuple(result["warnings"]),
            seconds=result["seconds"],
            artifact=artifact,
            observation=observation,
        )

    def _read(self, key: str) -> Outcome | None:
        """A stored outcome whose folders are still there."""
        data = self._store.read_outcome(key)
        if data is None:
            return None
        outcome = Outcome.from_json(data)
        digests = [outcome.observation, outcome.artifact["digest"] if outcome.artifact else None]
        return outcome if all(self._store.has_folder(digest) for digest in digests if digest) else None

    def _record(
        self,
        cell: CellId,
        saved: Outcome,
        loaded: Outcome | None,
        judgement: Judgement | None = None,
        *,
        key: str = "",
        cached: bool = False,
    ) -> None:
        record = replace(self._judge.record(cell, saved, loaded, judgement), key=key, cached=cached)
        record = self._with_tries(record, self._tries.get(cell, []))
        self._records[cell] = record
        self._writer.add(record)
        self._progress.loaded(record)


def _applicable(record: CellRecord) -> list[str]:
    """The checks that could be made."""
    return [name for name, check in record.checks.items() if check["status"] != CheckStatus.NOT_APPLICABLE]


def _said(verdict: Verdict) -> str:
    """The exception behind a verdict in one line; empty where there is none."""
    return f"{verdict.error['type']}: {verdict.error['message']}" if verdict.error else ""
