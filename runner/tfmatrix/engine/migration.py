"""Model files made anew for another version, and measured: only what is read back the same counts.

Each file goes the same course. In the environment that wrote it, it is loaded and observed, as for a check, and leaves
its neutral form. Adapters put that into the target's terms; a job there builds, fills and saves the model;
a fresh process of the target loads the new file, and every check compares it with the observation of the old one. What
fails goes the next way: another format of the target, tf-keras in the new TensorFlow, then what only predicts.

Everything but the workers' work happens on the thread that calls `migrate_files`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from tfmatrix.checks.judge import Judge
from tfmatrix.core.environment import Environment
from tfmatrix.core.ids import CellId
from tfmatrix.core.outcome import INFRA, Outcome
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import CheckStatus, Status
from tfmatrix.engine.adapters._objects import CannotAdaptError
from tfmatrix.engine.environments import Environments
from tfmatrix.engine.host import slots
from tfmatrix.engine.jobs import Jobs
from tfmatrix.engine.measured import key_of_load
from tfmatrix.engine.migrating import adapted
from tfmatrix.engine.plan import Plan
from tfmatrix.engine.progress import Progress, make_progress
from tfmatrix.engine.request import RunRequest
from tfmatrix.engine.run import RunOptions
from tfmatrix.engine.subjects import GivenFile
from tfmatrix.executors.base import Mounts
from tfmatrix.executors.choose import open_executor, require_confinement
from tfmatrix.project.network import with_network
from tfmatrix.project.project import Project
from tfmatrix.store.content import Store
from tfmatrix.store.folders import own_folder
from tfmatrix.store.keys import digest_of
from tfmatrix.store.runs import new_run_id
from tfmatrix.worker.declared import Format
from tfmatrix.worker.protocol import NEUTRAL


class Way(StrEnum):
    """How a new file is made; best first."""

    NATIVE = "native"
    SAVEDMODEL = "savedmodel"
    LEGACY = "tf-keras"
    INFERENCE = "inference"


class Level(StrEnum):
    """What was proven of a new file."""

    WHOLE = "proven"
    INFERENCE = "proven for inference"
    NOTHING = "refused"


TRAINING: Final = frozenset({"compile", "optimizer", "resume"})
"""Checks that a model which only predicts needs not hold."""

_INFERENCE_SAVER, _INFERENCE_LOADER = "tf-savedmodel", "tf-savedmodel-raw"


@dataclass(frozen=True, kw_only=True)
class MigrationFile:
    """A file to migrate. `key` tells it from the others of a request, `subject` is its copy in the store.

    `made` is the artifact of a new file that is there already, which is only to be read back and compared.
    """

    key: str
    subject: GivenFile
    writer: Environment
    made: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What one way came to.

    `made` is the job that made the new file, `loaded` the one that read it back; `record` compares that with the old
    file. `problem` says why there was nothing to send to a worker, `fix` what may help, `limits` what nothing in the
    target does as the old version did.
    """

    way: Way
    environment: str
    format: str
    made: Outcome | None = None
    loaded: Outcome | None = None
    record: CellRecord | None = None
    problem: str = ""
    fix: str = ""
    limits: tuple[str, ...] = ()

    @property
    def level(self) -> Level:
        """What was proven."""
        if self.record is None or self.record.status not in (Status.PASS, Status.DRIFT):
            return Level.NOTHING
        failed = set(self.record.failed_checks)
        if not failed and self.way is not Way.INFERENCE:
            return Level.WHOLE
        outputs = self.record.checks.get("outputs", {}).get("status")
        return Level.INFERENCE if failed <= TRAINING and outputs == CheckStatus.PASS else Level.NOTHING

    @property
    def is_infrastructure(self) -> bool:
        """Whether it says nothing about the model."""
        outcomes = [each for each in (self.made, self.loaded) if each is not None]
        compared = self.record is not None and self.record.status is Status.INFRA_ERROR
        return compared or any(each.status == INFRA for each in outcomes)


@dataclass(frozen=True, kw_only=True)
class Migrated:
    """What a file came to: the observation of the old one, and the ways that were tried."""

    file: MigrationFile
    reference: Outcome
    attempts: tuple[Attempt, ...] = ()

    @property
    def chosen(self) -> Attempt | None:
        """The attempt to hand over: the first that is whole, else the first that predicts."""
        for level in (Level.WHOLE, Level.INFERENCE):
            found = next((each for each in self.attempts if each.level is level), None)
            if found is not None:
                return found
        return None

    @property
    def level(self) -> Level:
        """What was proven of the best."""
        return self.chosen.level if self.chosen is not None else Level.NOTHING

    @property
    def is_infrastructure(self) -> bool:
        """Whether something could not be measured, so that a refusal would say nothing."""
        return self.chosen is None and (
            self.reference.status == INFRA or any(each.is_infrastructure for each in self.attempts)
        )


@dataclass(frozen=True, kw_only=True)
class MigrationRequest:
    """What to make: `files` for `target` in the format `format`.

    `savedmodel`: what `format` does not bring back whole is tried as a SavedModel of the target's Keras 2, too.
    `legacy` is the target's TensorFlow with tf-keras, provided where something fails without; None leaves that way out.
    `fresh`: everything is measured again, whatever the store has.
    `take` gets each file as soon as all is known of it, with the store and what run.json says of environments.
    """

    files: Sequence[MigrationFile]
    target: Environment
    format: str
    take: Callable[[Migrated, Store, Mapping[str, Mapping[str, Any]]], None]
    savedmodel: bool = False
    legacy: Environment | None = None
    fresh: bool = False


def migrate_files(project: Project, request: MigrationRequest, options: RunOptions) -> list[Migrated]:
    """Measures all files; returns them in their order. What the store has is not measured again."""
    defaults = with_network(project.config.defaults, offline=options.offline)
    run_id = new_run_id(datetime.now(UTC))
    environments = tuple(
        {each.id: each for each in (*(file.writer for file in request.files), request.target)}.values()
    )
    store = Store(project.store)
    with make_progress(quiet=options.quiet, say=options.say) as progress:
        executor, reason = open_executor(
            project, environments, defaults, asked=options.executor, say=progress.message, run=run_id
        )
        if not options.trust_model:
            require_confinement(executor)
        progress.message(f"{len(request.files)} files to {request.target.id}; executor {executor.name}: {reason}")
        run = RunRequest(
            run_id=run_id,
            plan=Plan(environments=environments, scenarios=(), formats=(), squares=(), saves=(), savers={}),
            subjects={},
            scenario_folder=store.root / "folders",
            results=project.results,
            store=project.store,
            defaults=defaults,
            formats=project.formats,
            slots=options.jobs or slots(defaults),
        )
        work = store.root / "work" / run_id
        provided = Environments(
            executor, Mounts(scenarios=store.root / "folders", store=store.root / "folders", work=work), progress
        )
        try:
            with own_folder(work):
                provided.provide(environments, run.slots)
                course = _Course(request, run, store, provided, Jobs(run, store, provided), progress)
                return course.run()
        finally:
            executor.sweep()


@dataclass(kw_only=True)
class _Open:
    """A file on its course."""

    file: MigrationFile
    reference: Outcome | None = None
    attempts: list[Attempt] = field(default_factory=list)
    limits: tuple[str, ...] = ()


class _Course:
    def __init__(
        self,
        request: MigrationRequest,
        run: RunRequest,
        store: Store,
        environments: Environments,
        jobs: Jobs,
        progress: Progress,
    ) -> None:
        self._request = request
        self._run = run
        self._store = store
        self._environments = environments
        self._jobs = jobs
        self._progress = progress
        self._formats: Mapping[str, Format] = run.formats
        self._files = [_Open(file=file) for file in request.files]
        self._done: dict[str, Migrated] = {}
        asked = {Way.SAVEDMODEL: request.savedmodel, Way.LEGACY: request.legacy is not None, Way.INFERENCE: True}
        self._ways = [way for way, is_asked in asked.items() if is_asked]

    def run(self) -> list[Migrated]:
        for each in self._files:
            self._observe(each)
        self._jobs.run(when_idle=self._next_way)
        return [self._done[each.file.key] for each in self._files]

    # The old file

    def _observe(self, each: _Open) -> None:
        subject, writer = each.file.subject, each.file.writer.id
        unavailable = self._environments.unavailable(writer)
        if unavailable is not None:
            self._settle(each, Outcome.infra(unavailable))
            return
        settings, environment = self._run.settings, self._environments.key(writer)
        key = digest_of(
            ["neutral", subject.save_key(subject.loader, settings=settings, environment=environment)],
        )
        job = {**subject.save_job(subject.loader), "neutral": True}
        self._once(writer, key, job, lambda outcome: self._observed(each, outcome))

    def _observed(self, each: _Open, outcome: Outcome) -> None:
        each.reference = outcome
        if outcome.status != "ok":
            self._settle(each, outcome)
            return
        if each.file.made is not None:
            chosen = self._formats[self._request.format]
            way = Way.INFERENCE if chosen.kind != "keras" else Way.NATIVE
            made = Outcome(status="ok", artifact=each.file.made)
            self._load(each, way, self._request.target.id, chosen, made)
            return
        self._rebuild(each, Way.NATIVE, self._request.target.id)

    # Ways

    def _rebuild(self, each: _Open, way: Way, target: str) -> None:
        """Has the target build the model from the old one's neutral form, in its own terms."""
        assert each.reference is not None
        assert each.reference.artifact is not None
        assert each.reference.observation is not None
        chosen = self._formats["savedmodel" if way is Way.SAVEDMODEL else self._request.format]
        attempt = Attempt(way=way, environment=target, format=chosen.id)
        unavailable = self._environments.unavailable(target)
        if unavailable is not None:
            self._attempted(each, replace(attempt, made=Outcome.infra(unavailable)))
            return
        here, there = (self._environments.versions(name).keras for name in (each.file.writer.id, target))
        try:
            form, limits = adapted(self._store, each.reference.artifact["digest"], here, there)
        except CannotAdaptError as error:
            self._attempted(each, replace(attempt, problem=str(error), fix=error.fix))
            return
        if way is Way.NATIVE:
            each.limits = limits
        job = {
            "kind": "rebuild",
            **each.file.subject.load_code(),
            "format": chosen.to_job(),
            "neutral": self._store.folder(form) / NEUTRAL,
            "reference": self._store.folder(each.reference.observation),
        }
        self._made(each, way, target, chosen, job, form)

    def _next_way(self) -> bool:
        """Sends what is not proven whole on the next way; whether there was any."""
        waiting = [each for each in self._files if each.file.key not in self._done]
        if not waiting or not self._ways:
            return False
        measured = [each for each in waiting if not _infrastructure(each)]
        match self._ways.pop(0):
            case Way.SAVEDMODEL:
                for each in measured:
                    self._begin_savedmodel(each)
            case Way.LEGACY:
                self._begin_legacy(measured)
            case Way.INFERENCE:
                for each in waiting:
                    self._begin_inference(each)
        return True

    def _begin_savedmodel(self, each: _Open) -> None:
        first = each.attempts[0]
        # What cannot be built cannot be written in any format.
        is_built = first.made is not None and (first.made.status == "ok" or first.made.phase == "save")
        if is_built:
            self._rebuild(each, Way.SAVEDMODEL, self._request.target.id)

    def _begin_legacy(self, waiting: Sequence[_Open]) -> None:
        legacy = self._request.legacy
        wanted = [each for each in waiting if each.file.subject.loader.kind == "keras"]
        if legacy is None or not wanted:
            return
        self._progress.message(f"{len(wanted)} files go the way of tf-keras")
        self._environments.provide([legacy], 1)
        unavailable = self._environments.unavailable(legacy.id)
        for each in wanted:
            # tf-keras reads Keras 2's formats itself; it writes what was asked for.
            chosen = self._formats[self._request.format]
            if unavailable is not None:
                each.attempts.append(
                    Attempt(way=Way.LEGACY, environment=legacy.id, format=chosen.id, made=Outcome.infra(unavailable))
                )
            else:
                self._resave(each, Way.LEGACY, legacy.id, legacy.id, chosen, chosen)

    def _begin_inference(self, each: _Open) -> None:
        if _infrastructure(each) or any(attempt.level is Level.INFERENCE for attempt in each.attempts):
            self._settle(each, each.reference)
            return
        self._resave(
            each,
            Way.INFERENCE,
            each.file.writer.id,
            self._request.target.id,
            self._formats[_INFERENCE_SAVER],
            self._formats[_INFERENCE_LOADER],
        )

    def _resave(self, each: _Open, way: Way, maker: str, reader: str, saver: Format, loader: Format) -> None:
        assert each.reference is not None
        assert each.reference.observation is not None
        subject = each.file.subject
        job = {
            "kind": "resave",
            **subject.load_code(),
            "format": subject.loader.to_job(),
            "target": saver.to_job(),
            "artifact": subject.path,
            "reference": self._store.folder(each.reference.observation),
        }
        self._made(each, way, maker, loader, job, saver.id, reader)

    def _made(
        self, each: _Open, way: Way, maker: str, loader: Format, job: Mapping[str, Any], content: str, reader: str = ""
    ) -> None:
        """Makes the new file in `maker` and has `reader` read it back. `content` is what the job depends on besides."""
        assert each.reference is not None
        subject, reader = each.file.subject, reader or maker
        key = digest_of(
            [
                job["kind"],
                content,
                each.reference.observation,
                subject.save_key(loader, settings=self._run.settings, environment=self._environments.key(maker)),
                job["format"],
            ]
        )

        def made(outcome: Outcome) -> None:
            if outcome.status != "ok":
                self._attempted(each, Attempt(way=way, environment=reader, format=loader.id, made=outcome))
                return
            self._load(each, way, reader, loader, outcome)

        self._once(maker, key, job, made)

    def _load(self, each: _Open, way: Way, reader: str, loader: Format, made: Outcome) -> None:
        """A fresh process reads the new file; the old one's observation is what it is held to."""
        assert each.reference is not None
        assert each.reference.observation is not None
        assert made.artifact is not None
        subject = each.file.subject
        job = {
            "kind": "load",
            **subject.load_code(),
            "format": loader.to_job(),
            "artifact": self._store.folder(made.artifact["digest"]) / made.artifact["name"],
            "reference": self._store.folder(each.reference.observation),
            "remedies": [],
        }
        saved = Outcome(status="ok", artifact=made.artifact, observation=each.reference.observation)
        key = key_of_load(
            saved,
            loader,
            scenario=subject.about.digest,
            settings=self._run.settings,
            environment=self._environments.key(reader),
            is_file=True,
        )

        def loaded(outcome: Outcome) -> None:
            cell = CellId(scenario=subject.about.name, format=loader.id, writer=each.file.writer.id, reader=reader)
            record = self._judge().record(cell, saved, outcome)
            self._attempted(
                each,
                Attempt(way=way, environment=reader, format=loader.id, made=made, loaded=outcome, record=record),
            )

        self._once(reader, key, job, loaded)

    def _judge(self) -> Judge:
        return Judge(
            store=self._store,
            run=self._run.run_id,
            tolerances=self._run.defaults,
            known_failures=(),
            keras=self._environments.keras(),
            formats=self._formats,
        )

    # What comes of it

    def _attempted(self, each: _Open, attempt: Attempt) -> None:
        each.attempts.append(replace(attempt, limits=each.limits) if attempt.way is Way.NATIVE else attempt)
        tries = [tried.is_infrastructure for tried in each.attempts if tried.way is Way.LEGACY]
        if attempt.way is Way.LEGACY and attempt.level is not Level.WHOLE and tries == [False]:
            # What it does not bring back from the file, it may from the neutral form.
            self._rebuild(each, Way.LEGACY, attempt.environment)
        elif attempt.level is Level.WHOLE or attempt.way is Way.INFERENCE or each.file.made is not None:
            self._settle(each, each.reference)

    def _settle(self, each: _Open, reference: Outcome | None) -> None:
        assert reference is not None
        found = Migrated(file=each.file, reference=reference, attempts=tuple(each.attempts))
        self._done[each.file.key] = found
        self._progress.message(f"[{len(self._done)}/{len(self._files)}] {each.file.key}: {found.level}")
        self._request.take(found, self._store, self._environments.describe())

    def _once(self, environment: str, key: str, job: Mapping[str, Any], then: Callable[[Outcome], None]) -> None:
        """Has a job done, unless the store has what came of it; a crash is believed after the second."""
        stored = None if self._request.fresh else self._jobs.stored(key)
        if stored is not None:
            then(stored)
            return
        crashed = False

        def end(outcomes: Sequence[Outcome | None]) -> None:
            nonlocal crashed
            outcome = outcomes[0]
            assert outcome is not None, "it is alone in its child"
            if outcome.status == "crash" and not crashed:
                crashed = True
                self._jobs.submit(environment, [job], end)
                return
            self._jobs.keep(key, outcome)
            then(outcome)

        self._jobs.submit(environment, [job], end)


def _infrastructure(each: _Open) -> bool:
    return any(attempt.is_infrastructure for attempt in each.attempts)
