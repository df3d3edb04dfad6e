"""The course of a run: saves, then loads, then remedies for what failed; every cell gets its verdict.

The store decides what is done again: a save or load whose key is there is not repeated, so that a killed run goes on
where it stopped and a nightly run redoes only what changed. Everything here happens on one thread; the scheduler's
threads only talk to workers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tfmatrix.checks.judge import Judge
from tfmatrix.checks.registry import checks_code_digest
from tfmatrix.core.errors import ExitCode
from tfmatrix.core.ids import CellId
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.core.version import __version__
from tfmatrix.engine.adaptive import Adaptive
from tfmatrix.engine.classes import Classes
from tfmatrix.engine.environments import Environments
from tfmatrix.engine.host import describe_host
from tfmatrix.engine.jobs import Jobs
from tfmatrix.engine.loads import Loaded, Loading, Loads
from tfmatrix.engine.migrating import Migrating
from tfmatrix.engine.others import Others
from tfmatrix.engine.phase import Phase
from tfmatrix.engine.progress import Progress
from tfmatrix.engine.records import Records
from tfmatrix.engine.request import RunRequest
from tfmatrix.engine.saves import Pair, Saves
from tfmatrix.engine.tries import Tries
from tfmatrix.executors.base import Executor, Mounts
from tfmatrix.store.artifact_class import classes_digest
from tfmatrix.store.content import Store
from tfmatrix.store.folders import own_folder
from tfmatrix.store.keys import code_digests
from tfmatrix.store.runs import Run, RunWriter, without_collector

MakeJobs = Callable[[RunRequest, Store, Environments], Jobs]
"""Gives what measures: workers on this machine, or elsewhere."""


def execute(
    request: RunRequest,
    executor: Executor,
    progress: Progress,
    *,
    store: Store | None = None,
    jobs: MakeJobs = Jobs,
    facts: Callable[[], dict[str, Any]] | None = None,
) -> Run:
    """Runs the plan and returns the finished run. Interrupted, it leaves a readable run that is marked incomplete.

    `store` and `jobs` take the place of the local folder and of workers on this machine; `facts` is then what run.json
    says of the engine. Raises ConfigError for an environment that is wrong in matrix.yaml.
    """
    with RunWriter(request.results, request.run_id, _header(request, executor)) as writer:
        try:
            _measure(request, executor, progress, writer, store, jobs)
            if facts is not None:
                writer.update_header({"engine": facts()})
        finally:
            executor.sweep()
        # A shard is no run that anybody wants to see as the newest.
        whole = request.shard is None and request.phase in (Phase.ALL, Phase.TABLE)
        return writer.finish(datetime.now(UTC), latest=whole)


def exit_code(run: Run) -> ExitCode:
    """The process's exit code: an unexpected incompatibility first, then what could not be measured."""
    if any(record.is_news for record in run.records):
        return ExitCode.INCOMPATIBLE
    if any(record.status is Status.INFRA_ERROR for record in run.records):
        return ExitCode.INFRASTRUCTURE
    return ExitCode.OK


def _header(request: RunRequest, executor: Executor) -> dict[str, Any]:
    # A shard lists everything, in the order of matrix.yaml: what is put together again has that order too.
    listed = request.whole or request.plan
    header: dict[str, Any] = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "tfmatrix": __version__,
        "set": request.set_name,
        "phase": request.phase.value,
        "executor": {"name": executor.name, "reason": request.executor_reason},
        "environments": {environment.id: {} for environment in listed.environments},
        "scenarios": {
            subject.name: {
                "title": subject.title,
                "description": subject.description,
                "tags": list(subject.tags),
                "digest": subject.digest,
            }
            for subject in listed.scenarios
        },
        "formats": list(listed.formats),
        "format_info": {name: request.formats[name].to_info() for name in listed.formats},
        "known_failures": [entry.to_json() for entry in request.known_failures],
        "settings": request.settings,
        # What is part of every key: `tfmatrix diff` tells by these that a verdict changed for another reason.
        "code": {
            **code_digests(map(request.formats.__getitem__, listed.formats)),
            "checks": checks_code_digest(),
            "classes": classes_digest(),
        },
        "slots": request.slots,
        "host": describe_host(),
    }
    if request.shard is not None:
        header["shard"] = request.shard.to_json()
    return header


def _measure(
    request: RunRequest,
    executor: Executor,
    progress: Progress,
    writer: RunWriter,
    given: Store | None,
    make_jobs: MakeJobs,
) -> None:
    """Provides the environments, saves, loads, judges."""
    store = given or Store(request.store, say=progress.warning)
    work = store.root / "work" / writer.id
    mounts = Mounts(scenarios=request.scenario_folder, store=store.root / "folders", work=work)
    environments = Environments(executor, mounts, progress)
    environments.provide(request.plan.environments, request.slots)
    described = environments.describe()
    listed = (request.whole or request.plan).environments
    writer.update_header({"environments": {each.id: described.get(each.id, {}) for each in listed}})
    judge = Judge(
        store=store,
        run=writer.id,
        tolerances=request.defaults,
        known_failures=request.known_failures,
        keras=environments.keras(),
        formats=request.formats,
        promised={name: each.about.checks for name, each in request.subjects.items() if each.about.checks},
        files=[name for name, subject in request.subjects.items() if subject.is_file],
    )
    with own_folder(work):
        jobs = make_jobs(request, store, environments)
        classes = Classes(store, request.known)
        records = Records(judge, writer, progress, request.formats, remedies=request.remedies)
        if any(square.adaptive for square in request.plan.squares):
            records.class_of = classes.of
        loading = Loading(request, environments, store)
        migrating = Migrating(request=request, environments=environments, jobs=jobs, loading=loading, store=store)
        tries = Tries(request, environments, jobs, loading, judge, records, migrating)
        saves = Saves(request, environments, jobs, store, writer, progress, records.timings)

        records.key_of_save = lambda cell: saves.key(request.plan.save_of(cell))
        others = Others(request.known)

        def measured(loaded: Loaded) -> None:
            others.compare(loaded)
            adaptive.add(loaded)
            tries.add(loaded)

        def known(cell: CellId, record: CellRecord) -> None:
            others.taken += 1
            adaptive.add_known(cell, record)

        loads = Loads(request, environments, jobs, loading, store, judge, records, then=measured, then_known=known)
        adaptive = Adaptive(request, environments, saves, loads, store, records, classes)
        at_once: dict[Pair, list[CellId]] = defaultdict(list)
        for square in request.plan.squares:
            for pair in square.pairs:
                cells = at_once[square.scenario, pair[0]]
                if pair not in square.adaptive:
                    cells.append(square.cell(pair))

        def saved(pair: Pair) -> None:
            judge.measure_noise(pair, saves.observations(pair))
            loads.begin(saves, at_once[pair])

        progress.loads(request.plan.size)
        with without_collector():  # what the store has is looked up here: a record for each cell, and no cycles
            saves.begin(request.plan.saves, list(at_once), saved)
        jobs.run(when_idle=lambda: adaptive.advance() or tries.begin())
        inference = adaptive.finish()
        records.complete(environments, request.plan.savers, request.plan.cells())
        timings = records.timings.to_json()
        writer.update_header({"noise": judge.noise, "inference": inference, "timings": timings})
        if request.known.reference:
            writer.update_header({"known": others.to_json()})
            for wrong in others.wrong:
                progress.warning(f"{wrong} was measured otherwise than {request.known.reference} says")
