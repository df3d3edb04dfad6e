"""`tfmatrix work`: does one batch on this machine, by the same code as a local run, and writes what it came to.

The store is its only way out: outcomes by key and folders by digest as they come, so that a unit that was killed lost
the jobs it was at; its result last. It needs no client, asks nobody, and leaves nothing behind: what it keeps on this
machine is a folder that goes with it, and what it started ends with it.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfmatrix.checks.registry import checks_code_digest
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import InfrastructureError, UsageError
from tfmatrix.core.outcome import Outcome
from tfmatrix.core.scenario import Scenario
from tfmatrix.core.version import __version__
from tfmatrix.engine.batches import Batch, Described, SentScenario, Trial, load_defaults
from tfmatrix.engine.environments import Environments
from tfmatrix.engine.execution import execute
from tfmatrix.engine.host import describe_host
from tfmatrix.engine.jobs import Asked, Jobs
from tfmatrix.engine.phase import Phase
from tfmatrix.engine.plan import Plan, Square
from tfmatrix.engine.progress import Progress
from tfmatrix.engine.request import RunRequest
from tfmatrix.engine.subjects import ScenarioFile
from tfmatrix.envs.lock import lock_path
from tfmatrix.executors.base import Executor, Mounts, Prepared, WorkerProcess
from tfmatrix.project.formats import own_formats
from tfmatrix.store.content import Store
from tfmatrix.store.folders import own_folder
from tfmatrix.store.keys import code_digests
from tfmatrix.store.remote import Remote, SharedStore

PARENT_SECONDS = 1.0
"""How often a unit looks whether the process that started it is still there."""

ENDING_SECONDS = 30.0
"""What a unit that was told to end may take for it; then it is gone, and its workers see the end of their input."""

Opened = tuple[Executor, str]
OpenExecutor = Callable[[Batch, Path], Opened]
"""Gives the executor of a batch, over a folder with its locks, and why it was taken."""


def batch_name(name: str) -> str:
    """Under which name a store holds a batch."""
    return f"batches/{name}.json"


def result_name(name: str) -> str:
    """Under which name a store holds what a batch came to."""
    return f"batches/{name}.result.json"


def code_of_this_version() -> dict[str, str]:
    """The digests of all code that decides a key, but for formats, which a batch brings along."""
    return {**code_digests([]), "formats": "", "checks": checks_code_digest()}


def work(
    batch: Batch, remote: Remote, *, scratch: Path, open_executor: OpenExecutor, progress: Progress, slots: int = 1
) -> dict[str, Any]:
    """Does a batch; returns what it wrote as its result.

    `environments` are those that it provided, or why not; `outcomes` by key is all that it measured or found, and what
    was computed of it; `lost` by key what could not be measured. Raises UsageError for a batch of another version of
    tfmatrix, InfrastructureError where the store is out of reach or nothing can be started.
    """
    differs = [name for name, digest in code_of_this_version().items() if batch.code.get(name) != digest]
    if differs:
        raise UsageError(
            f"this worker runs another tfmatrix than the client: {__version__} here, {batch.tfmatrix} there; "
            f"the code of {', '.join(differs)} differs",
            expected="the same code: it decides what is measured",
            fix="install the client's version on the workers",
        )
    start = time.monotonic()
    with own_folder(scratch / f"unit-{os.getpid()}-{secrets.token_hex(4)}") as folder:
        done = _Unit(batch, remote, folder, open_executor, progress, slots).run()
    result = {**done, "seconds": round(time.monotonic() - start, 3), "host": describe_host()}
    remote.write_json(result_name(batch.name), result)
    return result


class _Unit:
    """One batch on its way through this machine."""

    def __init__(
        self,
        batch: Batch,
        remote: Remote,
        folder: Path,
        open_executor: OpenExecutor,
        progress: Progress,
        slots: int,
    ) -> None:
        self._batch = batch
        self._folder = folder
        self._progress = progress
        self._slots = slots
        self._lost: dict[str, Outcome] = {}
        self._store = SharedStore(folder / "store", remote, fetches=True, say=progress.warning)
        self._store.take(batch.made)
        locks = folder / "locks"
        locks.mkdir()
        for each in batch.environments:
            if each.lock:
                lock_path(locks, each.environment.id).write_text(each.lock, encoding="utf-8")
        inner, self._reason = open_executor(batch, locks)
        self._executor = Placed(inner, batch)

    def run(self) -> dict[str, Any]:
        """Provides, measures, tries; the executor is swept whatever happens."""
        request = self._request()
        try:
            if not request.plan.size and not request.plan.saves:
                self._only_provide(request)
            else:
                execute(request, self._executor, self._progress, store=self._store, jobs=self._jobs)
        finally:
            self._executor.sweep()
        return {
            "environments": self._executor.told,
            "outcomes": self._store.outcomes,
            "lost": {key: outcome.to_json() for key, outcome in self._lost.items()},
        }

    def _jobs(self, request: RunRequest, store: Store, environments: Environments) -> Jobs:
        return _KeepingJobs(request, store, environments, self._lost)

    def _request(self) -> RunRequest:
        batch = self._batch
        scenarios = {each.name: self._scenario(each) for each in batch.scenarios}
        environments = [each.environment for each in batch.environments]
        environments += [each.environment for each in batch.described]
        formats = {**own_formats(), **{each.id: each for each in batch.formats}}
        squares = tuple(
            Square(scenario=each.scenario, format=each.format, saver=each.saver, pairs=each.pairs)
            for each in batch.squares
        )
        by_id = {each.id: each for each in environments}
        plan = Plan(
            environments=tuple(environments),
            scenarios=tuple(each.about for each in scenarios.values()),
            formats=tuple(each.id for each in batch.formats),
            squares=squares,
            saves=batch.saves,
            savers={each.format: each.saver for each in batch.squares},
        )
        return RunRequest(
            run_id="unit",
            plan=plan,
            subjects=scenarios,
            scenario_folder=self._scenarios_folder,
            results=self._folder / "results",
            store=self._store.root,
            defaults=load_defaults(batch.defaults),
            formats=formats,
            legacy_readers={reader: by_id[helper] for reader, helper in batch.helpers.items()},
            executor_reason=self._reason,
            # Who loads never saves: the writer's environment is not here.
            phase=Phase.LOAD if squares else Phase.SAVE,
            slots=self._slots,
            remedies=batch.remedies,
            has_writers=False,
            resume_steps=batch.steps,
        )

    @property
    def _scenarios_folder(self) -> Path:
        folder = self._folder / "scenarios"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        return folder

    def _scenario(self, sent: SentScenario) -> ScenarioFile:
        path = self._scenarios_folder / Path(sent.file).name
        path.write_text(sent.text, encoding="utf-8")
        path.chmod(0o644)
        about = Scenario(**{**sent.about, "path": str(path)})
        return ScenarioFile(about=about, sources=self._store.fetched(sent.sources) if sent.sources else None)

    def _only_provide(self, request: RunRequest) -> None:
        """Provides the environments, and does the tries."""
        work = self._store.root / "work"
        mounts = Mounts(scenarios=request.scenario_folder, store=self._store.root / "folders", work=work)
        environments = Environments(self._executor, mounts, self._progress)
        environments.provide(request.plan.environments, self._slots)
        jobs = self._jobs(request, self._store, environments)
        for each in self._batch.tries:
            if jobs.stored(each.key) is not None:
                continue
            unavailable = environments.unavailable(each.environment)
            if unavailable is not None:
                jobs.keep(each.key, Outcome.infra(unavailable))
                continue
            asks = [Asked(key=each.key)]
            name = environments.varied(each.environment, each.variables)
            jobs.submit(name, [self._job(each, request)], _keep(jobs, each.key), asks=asks)
        jobs.run()

    def _job(self, trial: Trial, request: RunRequest) -> dict[str, Any]:
        """The job with this machine's paths."""

        def here(value: Any) -> Any:
            if isinstance(value, Mapping) and value.keys() == {"folder", "path"}:
                return self._store.fetched(str(value["folder"])) / str(value["path"])
            if isinstance(value, Mapping) and value.keys() == {"scenario"}:
                subject = request.subjects[str(value["scenario"])]
                return Path(subject.load_code()["scenario"])
            return value

        return {name: here(value) for name, value in trial.job.items() if name not in ("seed", "steps")}


def _keep(jobs: Jobs, key: str) -> Callable[[Sequence[Outcome | None]], None]:
    def keep(outcomes: Sequence[Outcome | None]) -> None:
        assert outcomes[0] is not None, "a try is alone in its child"
        jobs.keep(key, outcomes[0])

    return keep


class _KeepingJobs(Jobs):
    """Jobs that also remember what is not stored, because it says nothing about a model."""

    def __init__(self, request: RunRequest, store: Store, environments: Environments, lost: dict[str, Outcome]) -> None:
        super().__init__(request, store, environments)
        self._lost = lost

    def keep(self, key: str, outcome: Outcome) -> None:
        """See Jobs."""
        super().keep(key, outcome)
        if not outcome.is_lasting:
            self._lost[key] = outcome


@dataclass
class Placed:
    """An executor of a part of a matrix: it provides the environments of a batch, and knows the others by description.

    `told` says what was provided, or why not.
    """

    inner: Executor
    batch: Batch

    def __post_init__(self) -> None:
        self.told: dict[str, Any] = {}
        self._described = {each.environment.id: each for each in self.batch.described}
        self._keys = {each.environment.id: each.key for each in self.batch.environments}

    @property
    def name(self) -> str:
        """See Executor."""
        return self.inner.name

    @property
    def isolation(self) -> str:
        """See Executor."""
        return self.inner.isolation

    @property
    def confines(self) -> bool:
        """See Executor."""
        return self.inner.confines

    def prepare(self, environment: Environment) -> Prepared:
        """See Executor. Raises InfrastructureError for one that does not come to its key here."""
        if environment.id in self._described:
            return prepared_of(self._described[environment.id])
        try:
            prepared = self.inner.prepare(environment)
            wanted = self._keys[environment.id]
            if wanted and prepared.key != wanted:
                base = prepared.describe.get("base") or {}
                raise InfrastructureError(
                    f"{environment.id} is another environment on this worker than where the run began: it runs on "
                    f"{base.get('reference')}, Python {prepared.python_version}, executor {self.name}",
                    expected="workers that are alike: one image, or one distribution with one Python",
                    fix="run the workers in one image, or let --executor docker pull one by digest",
                )
        except InfrastructureError as error:
            self.told[environment.id] = {"unavailable": str(error)}
            raise
        self.told[environment.id] = described_as_json(prepared, self.inner)
        return prepared

    def start(self, prepared: Prepared, mounts: Mounts, *, start_method: str = "fork") -> WorkerProcess:
        """See Executor."""
        return self.inner.start(prepared, mounts, start_method=start_method)

    def sweep(self) -> None:
        """See Executor."""
        self.inner.sweep()


def described_as_json(prepared: Prepared, executor: Executor) -> dict[str, Any]:
    """What a unit tells of an environment, without the environment itself."""
    return {
        "key": prepared.key,
        "describe": dict(prepared.describe),
        "python_version": prepared.python_version,
        "packages": dict(prepared.packages),
        "tensorflow": prepared.tensorflow,
        "keras": prepared.keras,
        "executor": executor.name,
        "isolation": executor.isolation,
    }


def prepared_of(described: Described) -> Prepared:
    """An environment that was provided elsewhere: no worker can be started in it here."""
    return Prepared(
        environment=described.environment,
        lock=None,
        key=described.key,
        describe=described.describe,
        python="",
        python_version=described.python_version,
        packages=described.packages,
        tensorflow=described.tensorflow,
        keras=described.keras,
    )


@contextmanager
def ending_with_the_parent() -> Iterator[None]:
    """Ends the body, as SIGTERM does, when the process that started this one is gone.

    Not PR_SET_PDEATHSIG: it acts when the thread that started the process ends, and engines start units from pools.
    """
    parent = os.getppid()
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(PARENT_SECONDS):
            if os.getppid() != parent:
                print("the process that started this unit is gone: it ends, too", file=sys.stderr)
                os.kill(os.getpid(), signal.SIGTERM)
                if not is_over.wait(ENDING_SECONDS):
                    os._exit(128 + signal.SIGTERM)
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        is_over.set()
