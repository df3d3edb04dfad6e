"""Jobs for workers and what came of them: looked up in the store, sent to the scheduler, taken over into the store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfmatrix.core.ids import CellId
from tfmatrix.core.outcome import Outcome
from tfmatrix.engine.environments import Environments
from tfmatrix.engine.measured import stored_outcome
from tfmatrix.engine.plan import Save
from tfmatrix.engine.request import RunRequest
from tfmatrix.engine.scheduler import Scheduler, Task, TaskOutcome
from tfmatrix.executors.intake import Quota, placed, take_over, take_unfinished
from tfmatrix.store.content import Store
from tfmatrix.worker.folders import remove_tree
from tfmatrix.worker.protocol import CONTROL, NEUTRAL
from tfmatrix.worker.retraining import TRAIN

MAX_IDLE_WORKERS = 6
"""Workers kept without work; each holds an imported TensorFlow (about 0.5 GB)."""

Then = Callable[[Sequence[Outcome | None]], None]
"""Gets an outcome per job; None for one that was not reached and must be sent again."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a job measures, and the key of what comes of it: a save, a cell, or (None) the try of a remedy."""

    key: str
    what: Save | CellId | None = None


class Jobs:
    """What is measured in one run. Everything but the workers' work happens on the thread that calls `run`."""

    def __init__(self, request: RunRequest, store: Store, environments: Environments) -> None:
        self._store = store
        self._defaults = request.defaults
        self._scenarios = request.scenario_folder
        self._common = {"seed": request.defaults.seed, "steps": request.resume_steps}
        max_idle = 0 if request.isolated else MAX_IDLE_WORKERS
        self._scheduler = Scheduler(environments.start, slots=request.slots, max_idle=max_idle)

    def stored(self, key: str) -> Outcome | None:
        """The outcome under a key, whose folders are still there."""
        return stored_outcome(self._store, key)

    def keep(self, key: str, outcome: Outcome) -> None:
        """Stores an outcome, unless it says nothing that lasts about the model."""
        if outcome.is_lasting:
            self._store.write_outcome(key, outcome.to_json())

    def submit(
        self,
        environment: str,
        jobs: Sequence[Mapping[str, Any]],
        then: Then,
        *,
        asks: Sequence[Asked] = (),  # noqa: ARG002
    ) -> None:
        """Sends jobs that share a child to a worker; `then` is called by `run` with what came of them.

        `asks` says of each job what it measures, for whom workers elsewhere do it.
        """
        self._scheduler.submit(
            Task(
                environment=environment,
                jobs=tuple({**job, **self._common} for job in jobs),
                timeout=self._defaults.timeout,
                memory=self._defaults.memory,
                disk=self._defaults.disk,
                tag=then,
            )
        )

    def run(self, when_idle: Callable[[], bool] = lambda: False) -> None:
        """Goes on until nothing is left, of what was submitted before and meanwhile.

        `when_idle` is called whenever nothing is left: it may submit more, and says whether to call it again.
        """
        # Closed here: where Python closed it, a second Ctrl-C would be printed and ignored.
        with contextlib.closing(self._scheduler.outcomes(when_idle)) as outcomes:
            for done in outcomes:
                done.task.tag(self._outcomes(done))

    def _outcomes(self, done: TaskOutcome) -> list[Outcome | None]:
        jobs = done.task.jobs
        if done.ended is None:
            # What a lost worker left is not taken: nobody knows who was in its folder.
            return [Outcome.infra(done.failure, done.log)] * len(jobs)
        if done.ended["reason"] == "protocol":
            # Nothing of a process that lied once is believed, not even what it said before.
            return [Outcome.of_death(done.ended, _phase(job)) for job in jobs]
        assert done.folder is not None, "it was sent with the request"
        found = [
            self._outcome(job, done.folder / str(position), result)
            for position, (job, result) in enumerate(zip(jobs, done.results, strict=False))
        ]
        if len(found) < len(jobs) and done.ended["reason"] != "stopped":
            position = len(found)
            found.append(self._died(jobs[position], done.folder / str(position), done.ended))
        outcomes = [
            placed(each, folder=done.folder / str(position), store=self._store, scenarios=self._scenarios)
            for position, each in enumerate(found)
        ]
        with contextlib.suppress(OSError):
            # What stays is removed with the run's folder.
            remove_tree(str(done.folder))
        return [*outcomes, *[None] * (len(jobs) - len(outcomes))]

    def _died(self, job: Mapping[str, Any], folder: Path, ended: Mapping[str, Any]) -> Outcome:
        """Of a job whose process ended: with what it had observed before.

        That a writer ends in training on what was made up for it is no fault of a reader: the rest is the reference.
        That a reader ends in its control says nothing about what it had loaded.
        """
        outcome = Outcome.of_death(ended, _phase(job))
        found = take_unfinished(folder, store=self._store, quota=Quota(bytes=self._defaults.disk))
        if found is None:
            return outcome
        digest, phase = found
        if phase == CONTROL:
            return replace(outcome, status="ok", error=None, observation=digest)
        if job["kind"] == "adopt" and not job.get("neutral"):
            return replace(outcome, status="ok", error=None, observation=digest)
        return replace(outcome, phase=phase, observation=digest)

    def _outcome(self, job: Mapping[str, Any], folder: Path, result: Mapping[str, Any]) -> Outcome:
        return take_over(
            result,
            folder,
            store=self._store,
            quota=Quota(bytes=self._defaults.disk),
            phase=_phase(job),
            artifact=_artifact_of(job),
            observes=job["kind"] not in ("rebuild", "resave", "dismantle"),
        )


def _phase(job: Mapping[str, Any]) -> str:
    return "save" if job["kind"] in ("save", TRAIN) else "load"


def _artifact_of(job: Mapping[str, Any]) -> str | None:
    """The name under which a job has to write; None for one that writes nothing."""
    match job["kind"]:
        case "save" | "rebuild" | "train":
            return str(job["format"]["artifact"])
        case "resave":
            return str(job["target"]["artifact"])
        case "dismantle":
            return NEUTRAL
        case "adopt" if job.get("neutral"):
            return NEUTRAL
    return None
