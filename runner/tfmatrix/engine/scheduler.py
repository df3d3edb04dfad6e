"""Feeds tasks to workers: whose worker runs where, for how long it is kept, and what happens when it dies.

A task is a list of jobs for one environment that may share a child. `slots` threads each drive one busy worker; a
worker without tasks stays idle, up to a limit, because starting one means importing TensorFlow. Outcomes come back on
the thread that iterates over them, so that whoever judges them needs no locks.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tfmatrix.core.errors import InfrastructureError
from tfmatrix.executors.base import WorkerLostError, WorkerProcess

WORTH_A_SECOND_WORKER = 8
"""Tasks that must wait for a busy environment before another worker of it pays for its import (2–5 s)."""

GRACE_SECONDS = 60.0
"""Silence beyond a worker's own limits after which the host gives it up. A worker kills a job by itself well before."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Jobs for one environment, run in order in one child. `tag` comes back with the outcome, untouched.

    Values of a job that are paths are host paths; the worker gets them as it sees them.
    """

    environment: str
    jobs: tuple[Mapping[str, Any], ...]
    timeout: float
    memory: int
    disk: int
    tag: Any
    lost_before: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskOutcome:
    """What came of a task: the results of the jobs that returned, then how the child ended.

    `ended` is the worker's last event, or None where the worker was lost or could not be started; `failure` then says
    why. In `folder`, the host's path of what the task was given, lies what each job left, under its position. `log`
    holds the worker's last lines.
    """

    task: Task
    results: tuple[Mapping[str, Any], ...]
    ended: Mapping[str, Any] | None
    folder: Path | None = None
    failure: str = ""
    log: str = ""


@dataclass
class _Lane:
    """One environment: what waits for it, and its idle workers."""

    waiting: deque[Task] = field(default_factory=deque)
    idle: list[WorkerProcess] = field(default_factory=list)
    busy: int = 0
    broken: str = ""


class Scheduler:
    """Runs tasks with at most `slots` busy and `max_idle` idle workers.

    `start_worker` takes an environment's id and returns a probed worker, or raises InfrastructureError; an environment
    whose worker cannot be started twice in a row is given up, and its tasks fail with the reason.
    """

    def __init__(self, start_worker: Callable[[str], WorkerProcess], *, slots: int, max_idle: int) -> None:
        self._start_worker = start_worker
        self._slots = slots
        self._max_idle = max_idle
        self._condition = threading.Condition()
        self._lanes: dict[str, _Lane] = {}
        self._idle_order: list[tuple[str, WorkerProcess]] = []
        self._alive: set[WorkerProcess] = set()
        self._outcomes: queue.Queue[TaskOutcome | Exception] = queue.Queue()
        self._open_tasks = 0
        self._stopping = False
        self._next_request = 1

    def submit(self, task: Task) -> None:
        """Adds a task; may be called while outcomes are being iterated over."""
        with self._condition:
            self._lanes.setdefault(task.environment, _Lane()).waiting.append(task)
            self._open_tasks += 1
            self._condition.notify_all()

    def outcomes(self, when_idle: Callable[[], bool] = lambda: False) -> Generator[TaskOutcome, None, None]:
        """Runs everything submitted, before and meanwhile; yields outcomes as they come. Leaves no worker behind.

        `when_idle` is called whenever nothing is left, while the workers wait: it may submit more, and says whether it
        wants to be called again.
        """
        threads = [
            threading.Thread(target=self._drive, name=f"slot-{number}", daemon=True) for number in range(self._slots)
        ]
        for thread in threads:
            thread.start()
        try:
            while self._open_tasks or when_idle():
                if not self._open_tasks:
                    continue
                outcome = self._outcomes.get()
                if isinstance(outcome, Exception):
                    raise outcome
                yield outcome
                # Only now: the consumer may have submitted what follows from this outcome.
                with self._condition:
                    self._open_tasks -= 1
        finally:
            with self._condition:
                self._stopping = True
                alive = list(self._alive)
                self._condition.notify_all()
            for worker in alive:
                worker.kill()
            for thread in threads:
                thread.join()

    def _drive(self) -> None:
        try:
            current: str | None = None
            while True:
                task = self._take(current)
                if task is None:
                    return
                current = task.environment
                outcome = self._attempt(task)
                with self._condition:
                    self._lanes[current].busy -= 1
                    self._condition.notify_all()
                if outcome is not None:
                    self._outcomes.put(outcome)
        except Exception as error:  # noqa: BLE001
            # A fault of the scheduler: raised where the outcomes are read, never lost with the thread.
            self._outcomes.put(error)

    def _take(self, current: str | None) -> Task | None:
        """The next task for a slot: of the environment it served last, else of the one that needs it most."""
        with self._condition:
            while not self._stopping:
                name = self._choose(current)
                if name is not None:
                    lane = self._lanes[name]
                    lane.busy += 1
                    return lane.waiting.popleft()
                self._condition.wait()
            return None

    def _choose(self, current: str | None) -> str | None:
        if current is not None and self._lanes[current].waiting:
            return current
        ready = {name: lane for name, lane in self._lanes.items() if lane.waiting}
        free = [
            name
            for name, lane in ready.items()
            if lane.idle or not lane.busy or len(lane.waiting) > WORTH_A_SECOND_WORKER
        ]
        # An idle worker first (nothing to import), then an environment nobody serves, then the longest queue.
        return max(
            free,
            key=lambda name: (bool(ready[name].idle), not ready[name].busy, len(ready[name].waiting)),
            default=None,
        )

    def _attempt(self, task: Task) -> TaskOutcome | None:
        """Runs a task; None when its worker was lost and the task waits for a second try."""
        lane = self._lanes[task.environment]
        if lane.broken:
            return TaskOutcome(task=task, results=(), ended=None, failure=lane.broken)
        results: list[Mapping[str, Any]] = []
        worker: WorkerProcess | None = None
        try:
            worker = self._obtain(task.environment)
            folder, ended = self._converse(worker, task, results)
        except InfrastructureError as error:
            log = worker.log_tail if worker is not None else ""
            if worker is not None:
                self._discard(worker)
            if self._stopping:
                return TaskOutcome(task=task, results=(), ended=None, failure="stopped", log=log)
            if not task.lost_before:
                with self._condition:
                    lane.waiting.appendleft(replace(task, lost_before=True))
                return None
            if worker is None:
                lane.broken = str(error)
            return TaskOutcome(task=task, results=(), ended=None, failure=str(error), log=log)
        self._keep(task.environment, worker)
        return TaskOutcome(task=task, results=tuple(results), ended=ended, folder=folder)

    def _converse(
        self, worker: WorkerProcess, task: Task, results: list[Mapping[str, Any]]
    ) -> tuple[Path, Mapping[str, Any]]:
        """The folder that a task was given, and the event that ended it; adds to the results as they come."""
        with self._condition:
            number = self._next_request
            self._next_request += 1
        folder = worker.work / f"request-{number}"
        worker.send(
            {
                "schema": 1,
                "id": number,
                "kind": "jobs",
                "jobs": [_mapped(job, worker) for job in task.jobs],
                "folder": worker.to_worker(folder),
                "timeout": task.timeout,
                "memory": task.memory,
                "disk": task.disk,
            }
        )
        while True:
            try:
                event = worker.receive(3 * task.timeout + GRACE_SECONDS)
            except TimeoutError as error:
                raise WorkerLostError(
                    f"the worker of {task.environment} said nothing for {3 * task.timeout + GRACE_SECONDS:.0f} s",
                ) from error
            if event.get("id") != number:
                raise WorkerLostError(f"the worker of {task.environment} answered another request: {event!r:.200}")
            match event.get("event"):
                case "started":
                    continue
                case "result":
                    results.append(event["result"])
                case "ended":
                    return folder, event
                case other:
                    raise WorkerLostError(f"the worker of {task.environment} sent an unknown event {other!r}")

    def _obtain(self, environment: str) -> WorkerProcess:
        with self._condition:
            lane = self._lanes[environment]
            if lane.idle:
                worker = lane.idle.pop()
                self._idle_order.remove((environment, worker))
                return worker
        worker = self._start_worker(environment)
        with self._condition:
            self._alive.add(worker)
            stopping = self._stopping
        if stopping:
            self._discard(worker)
            raise WorkerLostError("stopped")
        return worker

    def _keep(self, environment: str, worker: WorkerProcess) -> None:
        surplus: WorkerProcess | None = None
        with self._condition:
            self._lanes[environment].idle.append(worker)
            self._idle_order.append((environment, worker))
            if len(self._idle_order) > self._max_idle:
                # The environment with nothing waiting goes first, then the one unused for longest.
                oldest = min(self._idle_order, key=lambda entry: bool(self._lanes[entry[0]].waiting))
                self._idle_order.remove(oldest)
                self._lanes[oldest[0]].idle.remove(oldest[1])
                surplus = oldest[1]
        if surplus is not None:
            self._discard(surplus)

    def _discard(self, worker: WorkerProcess) -> None:
        with self._condition:
            self._alive.discard(worker)
        worker.close()


def _mapped(job: Mapping[str, Any], worker: WorkerProcess) -> dict[str, Any]:
    return {name: worker.to_worker(value) if isinstance(value, Path) else value for name, value in job.items()}
