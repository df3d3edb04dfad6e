"""The scheduler over fake workers: order, sharing, second tries, giving up, stopping."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

import pytest
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.engine.scheduler import WORTH_A_SECOND_WORKER, Scheduler, Task
from tfmatrix.executors.base import WorkerLostError


class FakeWorker:
    """Answers every job with its own content; `lose` jobs end the worker, `hang` ones wait until it is killed."""

    def __init__(self, office: Office, environment: str) -> None:
        self.office = office
        self.environment = environment
        self.events: queue.Queue[dict | None] = queue.Queue()
        self.killed = threading.Event()
        self.closed = False
        self.log_tail = "last words"
        self.work = Path("/work")

    def to_worker(self, path):
        return f"/mapped{path}"

    def send(self, message):
        self.office.requests.append((self.environment, message))
        number = message["id"]
        for index, job in enumerate(message["jobs"]):
            self.events.put({"id": number, "event": "started", "job": index})
            if job.get("lose"):
                self.events.put(None)
                return number
            if job.get("hang"):
                self.office.hanging.set()
                return number
            self.events.put({"id": number, "event": "result", "job": index, "result": dict(job)})
        self.events.put({"id": number, "event": "ended", "reason": "done"})
        return number

    def receive(self, timeout):
        while not self.killed.is_set():
            try:
                event = self.events.get(timeout=0.01)
            except queue.Empty:
                continue
            if event is None:
                break
            return event
        raise WorkerLostError("the worker ended", log_tail=self.log_tail)

    def kill(self):
        self.killed.set()
        self.office.gone.add(self)

    def close(self):
        self.office.gone.add(self)


class Office:
    """Starts fake workers and remembers them."""

    def __init__(self, unavailable=()):
        self.unavailable = unavailable
        self.started: list[FakeWorker] = []
        self.gone: set[FakeWorker] = set()
        self.requests: list[tuple[str, dict]] = []
        self.hanging = threading.Event()
        self.attempts = 0

    def start(self, environment):
        self.attempts += 1
        if environment in self.unavailable:
            raise InfrastructureError(f"{environment} cannot start")
        worker = FakeWorker(self, environment)
        self.started.append(worker)
        return worker


def task(environment, *jobs, tag=None):
    return Task(environment=environment, jobs=tuple(jobs) or ({},), timeout=1.0, memory=1, disk=1, tag=tag)


def test_every_task_has_its_outcome_and_no_worker_is_left():
    office = Office()
    scheduler = Scheduler(office.start, slots=2, max_idle=4)
    for number in range(20):
        scheduler.submit(task(f"env{number % 3}", {"n": number}, tag=number))
    outcomes = {outcome.task.tag: outcome for outcome in scheduler.outcomes()}
    assert {tag: outcome.results[0]["n"] for tag, outcome in outcomes.items()} == {n: n for n in range(20)}
    assert all(outcome.ended["reason"] == "done" for outcome in outcomes.values())
    assert office.gone == set(office.started)


def test_one_worker_serves_all_tasks_of_an_environment():
    office = Office()
    scheduler = Scheduler(office.start, slots=2, max_idle=4)
    for _ in range(WORTH_A_SECOND_WORKER):
        scheduler.submit(task("env"))
    assert len(list(scheduler.outcomes())) == WORTH_A_SECOND_WORKER
    assert len(office.started) == 1


def test_follow_up_tasks_are_run_on_the_workers_that_are_there():
    office = Office()
    scheduler = Scheduler(office.start, slots=1, max_idle=4)
    scheduler.submit(task("env", tag="save"))
    tags = []
    for outcome in scheduler.outcomes():
        tags.append(outcome.task.tag)
        if outcome.task.tag == "save":
            scheduler.submit(task("env", tag="load"))
    assert tags == ["save", "load"]
    assert len(office.started) == 1


def test_idle_workers_are_closed_beyond_the_limit():
    office = Office()
    scheduler = Scheduler(office.start, slots=1, max_idle=1)
    for name in ("a", "b", "c"):
        scheduler.submit(task(name))
    closed_meanwhile = []
    for _ in scheduler.outcomes():
        closed_meanwhile.append(len(office.gone))
    assert closed_meanwhile[-1] >= 1


def test_paths_are_mapped_for_the_worker(tmp_path):
    office = Office()
    scheduler = Scheduler(office.start, slots=1, max_idle=1)
    scheduler.submit(task("env", {"folder": tmp_path, "seed": 3}))
    list(scheduler.outcomes())
    assert office.requests[0][1]["jobs"] == [{"folder": f"/mapped{tmp_path}", "seed": 3}]


def test_every_task_has_a_folder_of_its_own_in_its_worker_s():
    office = Office()
    scheduler = Scheduler(office.start, slots=1, max_idle=1)
    for _ in range(2):
        scheduler.submit(task("env", {}))
    folders = [done.folder for done in scheduler.outcomes()]
    assert len(set(folders)) == 2
    assert {folder.parent for folder in folders} == {Path("/work")}
    assert [request["folder"] for _, request in office.requests] == [f"/mapped{folder}" for folder in folders]


def test_a_lost_worker_costs_a_second_try_then_the_task_fails_with_its_log():
    office = Office()
    scheduler = Scheduler(office.start, slots=1, max_idle=1)
    scheduler.submit(task("env", {}, {"lose": True}, tag="bad"))
    scheduler.submit(task("env", {}, tag="good"))
    outcomes = {outcome.task.tag: outcome for outcome in scheduler.outcomes()}
    assert outcomes["bad"].ended is None
    assert "the worker ended" in outcomes["bad"].failure
    assert outcomes["bad"].log == "last words"
    assert outcomes["good"].ended["reason"] == "done"
    assert sum(message["jobs"] == [{}, {"lose": True}] for _, message in office.requests) == 2


def test_an_environment_that_cannot_start_is_given_up_and_the_others_go_on():
    office = Office(unavailable=("broken",))
    scheduler = Scheduler(office.start, slots=2, max_idle=2)
    for number in range(5):
        scheduler.submit(task("broken", tag=("broken", number)))
    scheduler.submit(task("fine", tag=("fine", 0)))
    outcomes = list(scheduler.outcomes())
    assert len(outcomes) == 6
    for outcome in outcomes:
        if outcome.task.tag[0] == "broken":
            assert outcome.failure == "broken cannot start"
        else:
            assert not outcome.failure
    assert office.attempts <= 1 + 2 * 2


def test_stopping_in_the_middle_kills_busy_workers():
    office = Office()
    scheduler = Scheduler(office.start, slots=2, max_idle=2)
    scheduler.submit(task("fine", tag="fine"))
    scheduler.submit(task("stuck", {"hang": True}, tag="stuck"))
    outcomes = scheduler.outcomes()
    assert next(outcomes).task.tag == "fine"
    assert office.hanging.wait(5)
    with pytest.raises(KeyboardInterrupt):
        outcomes.throw(KeyboardInterrupt)
    assert office.gone == set(office.started)


def test_a_fault_of_the_scheduler_itself_is_raised_to_the_consumer():
    def start(environment):
        raise ZeroDivisionError("a bug")

    scheduler = Scheduler(start, slots=1, max_idle=1)
    scheduler.submit(task("env"))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        list(scheduler.outcomes())
