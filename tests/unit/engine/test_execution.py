"""A whole run over fake workers: what is measured, what comes from the store, what each failure becomes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tfmatrix.checks.judge as judge_module
from fakes import Dies, Ends, FakeExecutor, Hangs
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ConfigError, ExitCode, InfrastructureError
from tfmatrix.core.ids import CellId
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.engine.execution import execute, exit_code
from tfmatrix.engine.loads import Loads
from tfmatrix.engine.phase import Phase
from tfmatrix.engine.plan import make_plan
from tfmatrix.engine.progress import make_progress
from tfmatrix.engine.records import LOST
from tfmatrix.engine.request import RunRequest
from tfmatrix.engine.subjects import MeasuredSubject, ScenarioFile
from tfmatrix.project.config import Defaults, KnownFailure, Selection
from tfmatrix.project.formats import own_formats
from tfmatrix.project.scenario import read_scenarios
from tfmatrix.store.content import Store
from tfmatrix.store.known import NOTHING, Known, known_of
from tfmatrix.store.runs import Run, read_run

SCENARIO = '''"""A dense layer."""
import tensorflow as tf
FORMATS = ("h5", "keras")
def build_model(): ...
def inputs(rng): ...
'''
OLD, NEW = "2.15.1", "2.21.0"
OK = {"phase": None, "reason": None, "error": None, "warnings": [], "artifact": False, "observation": False}


HDF5 = b"\x89HDF\r\n\x1a\n"
NO_LAYERS = {"class": "Sequential", "layers": [], "trainable": {}, "dtype_policies": {}}


def write_observation(folder: Path, outputs: float) -> bool:
    """The smallest observation that can be compared: one output."""
    target = folder / "observation"
    target.mkdir(parents=True)
    values = np.full((2, 2), outputs, dtype="float32")
    np.savez(target / "arrays.npz", a0=values)
    sections = ("weights", "optimizer", "config", "compile", "resume", "signatures", "control")
    document = {
        "schema": 1,
        "kind": "keras",
        "model_class": "Sequential",
        "outputs": {"": {"array": "a0", "dtype": "float32", "shape": [2, 2]}},
        **dict.fromkeys(sections),
        "notes": {},
    }
    (target / "observation.json").write_text(json.dumps(document))
    return True


def raised(phase: str, kind: str, message: str) -> dict[str, Any]:
    error = {"type": kind, "message": message, "traceback": f"{kind}: {message}"}
    return {**OK, "status": "error", "phase": phase, "error": error, "seconds": {phase: 0.1}}


class Laboratory:
    """A project with two environments, and what happens to each of its jobs.

    `load(format, reader, job)` and `save(saver, writer, job)` may return a result, raise what fakes know, or return
    None for the usual: everything comes back as it was saved.
    """

    def __init__(self, tmp_path: Path) -> None:
        self.root = tmp_path
        folder = tmp_path / "scenarios"
        folder.mkdir(exist_ok=True)
        if not list(folder.iterdir()):
            (folder / "dense.py").write_text(SCENARIO)
        self.save: Callable[..., Any] = lambda saver, writer, job: None
        self.load: Callable[..., Any] = lambda format_id, reader, job: None
        self.form: dict[str, Any] | None = None
        self.executor = FakeExecutor(job=self._job)
        self.environments = (Environment(id=OLD, tensorflow=OLD), Environment(id=NEW, tensorflow=NEW))
        self.pairs: tuple[str, ...] = ("all",)
        self.runs = 0

    def _job(self, environment: str, job: dict[str, Any]) -> dict[str, Any]:
        folder = Path(job["folder"])
        if job["kind"] == "save":
            special = self.save(job["format"]["id"], environment, job)
            if special is not None:
                return special
            name = job["format"]["artifact"]
            (folder / "artifact").mkdir(parents=True)
            (folder / "artifact" / name).write_bytes(
                HDF5 + f"{job['scenario']} {job['format']['id']} {environment}".encode()
            )
            artifact = True
            observation = write_observation(folder, 1.0)
            return {**OK, "status": "ok", "seconds": {"save": 0.2}, "artifact": artifact, "observation": observation}
        assert (Path(job["reference"]) / "observation.json").exists()
        if job["kind"] == "dismantle":
            assert Path(job["artifact"]).exists()
            if self.form is None:
                return raised("load", "TypeError", "nothing can be taken apart here")
            (folder / "artifact").mkdir(parents=True)
            (folder / "artifact" / "neutral.json").write_text(json.dumps(self.form))
            return {**OK, "status": "ok", "seconds": {"load": 0.1}, "artifact": True}
        if job["kind"] == "rebuild":
            assert json.loads(Path(job["neutral"]).read_text())["keras"] == NEW
            (folder / "artifact").mkdir(parents=True)
            (folder / "artifact" / job["format"]["artifact"]).write_bytes(b"made anew")
            return {**OK, "status": "ok", "seconds": {"save": 0.1}, "artifact": True}
        assert Path(job["artifact"]).exists()
        special = self.load(job["format"]["id"], environment, job)
        if special is not None and not isinstance(special, float):
            return special
        observation = write_observation(folder, 1.0 if special is None else special)
        return {**OK, "status": "ok", "seconds": {"load": 0.1}, "observation": observation}

    @property
    def subjects(self) -> dict[str, MeasuredSubject]:
        return {each.name: ScenarioFile(about=each) for each in read_scenarios(self.root / "scenarios")}

    def run(self, known: tuple[KnownFailure, ...] = (), archive: Known = NOTHING, **changes: Any) -> Run:
        self.runs += 1
        plan = make_plan(
            Selection(environments=self.environments, pairs=self.pairs),
            read_scenarios(self.root / "scenarios"),
            formats=own_formats(),
        )
        request = RunRequest(
            run_id=f"run-{self.runs}",
            plan=plan,
            subjects=self.subjects,
            scenario_folder=self.root / "scenarios",
            results=self.root / "results",
            store=self.root / "results" / "store",
            defaults=Defaults(),
            known_failures=known,
            known=archive,
            **changes,
        )
        return execute(request, self.executor, make_progress(quiet=True))


@pytest.fixture
def laboratory(tmp_path):
    return Laboratory(tmp_path)


def statuses(run: Run) -> dict[str, Status]:
    return {record.cell: record.status for record in run.records}


def cell(run: Run, cell_id: str) -> CellRecord:
    return next(record for record in run.records if record.cell == cell_id)


def test_all_is_well(laboratory):
    run = laboratory.run()
    assert len(run.records) == 8
    assert set(statuses(run).values()) == {Status.PASS}
    assert exit_code(run) is ExitCode.OK
    assert run.header["complete"] is True
    assert read_run(laboratory.root / "results", "latest").id == run.id
    record = cell(run, f"dense/h5/{OLD}/{NEW}")
    assert record.checks["outputs"]["status"] == "pass"
    assert record.artifact["bytes"] > 0
    assert (record.save["seconds"], record.load["seconds"], record.cached) == (0.2, 0.1, False)
    assert laboratory.executor.living == 0
    assert laboratory.executor.swept == 1
    assert not list((laboratory.root / "results" / "store" / "work").iterdir())


def test_the_second_run_measures_nothing(laboratory):
    first = laboratory.run()
    sent = len(laboratory.executor.jobs)
    second = laboratory.run()
    assert len(laboratory.executor.jobs) == sent
    assert statuses(first) == statuses(second)
    assert all(record.cached for record in second.records)


def test_a_changed_scenario_is_measured_again_and_nothing_else(laboratory):
    (laboratory.root / "scenarios" / "other.py").write_text(SCENARIO.replace("A dense", "Another"))
    laboratory.run()
    (laboratory.root / "scenarios" / "other.py").write_text(SCENARIO.replace("A dense", "A changed"))
    sent = len(laboratory.executor.jobs)
    run = laboratory.run()
    assert {Path(job["scenario"]).stem for job in laboratory.executor.jobs[sent:]} == {"other"}
    assert {record.scenario for record in run.records if record.cached} == {"dense"}


def test_ctrl_c_while_workers_are_ended_is_not_ignored(laboratory, monkeypatch):
    def once(*arguments, **named):
        raise KeyboardInterrupt("once")

    def again(thread, timeout=None):
        if thread.name.startswith("slot-"):
            raise KeyboardInterrupt("again")

    ignored = []
    monkeypatch.setattr(sys, "unraisablehook", ignored.append)  # prints it, with a traceback
    monkeypatch.setattr("tfmatrix.engine.jobs.take_over", once)
    monkeypatch.setattr("tfmatrix.engine.scheduler.threading.Thread.join", again)
    with pytest.raises(KeyboardInterrupt, match="again"):
        laboratory.run()
    assert not ignored


def test_a_killed_run_goes_on_where_it_stopped(laboratory):
    class Interrupted(Exception):
        pass

    calls = []

    def count(record):
        calls.append(record)
        if len(calls) == 3:
            raise Interrupted

    progress = make_progress(quiet=True)
    progress.loaded = count  # type: ignore[method-assign]
    plan = make_plan(
        Selection(environments=laboratory.environments),
        read_scenarios(laboratory.root / "scenarios"),
        formats=own_formats(),
    )
    request = RunRequest(
        run_id="killed",
        plan=plan,
        subjects=laboratory.subjects,
        scenario_folder=laboratory.root / "scenarios",
        results=laboratory.root / "results",
        store=laboratory.root / "results" / "store",
        defaults=Defaults(),
    )
    with pytest.raises(Interrupted):
        execute(request, laboratory.executor, progress)
    assert laboratory.executor.living == 0
    killed = read_run(laboratory.root / "results", "killed")
    assert not killed.is_complete
    assert len(killed.records) == 3
    run = laboratory.run()
    assert {record.cell for record in killed.records} <= {record.cell for record in run.records if record.cached}
    assert set(statuses(run).values()) == {Status.PASS}


def test_a_lost_folder_of_the_store_is_measured_again(laboratory):
    run = laboratory.run()
    digest = cell(run, f"dense/h5/{OLD}/{NEW}").artifact["digest"]
    folder = laboratory.root / "results" / "store" / "folders" / digest[:2] / digest
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink()
    folder.rmdir()
    again = laboratory.run()
    assert set(statuses(again).values()) == {Status.PASS}
    assert folder.is_dir()


def test_silently_different_is_drift(laboratory):
    laboratory.load = lambda format_id, reader, job: 1.5 if (format_id, reader) == ("h5", NEW) else None
    run = laboratory.run()
    record = cell(run, f"dense/h5/{OLD}/{NEW}")
    assert record.status is Status.DRIFT
    assert record.failed_checks == ("outputs",)
    assert record.checks["outputs"]["max_abs"] == 0.5
    assert record.attribution is not None
    assert exit_code(run) is ExitCode.INCOMPATIBLE


def test_an_exception_of_the_loader_is_a_load_error_with_its_traceback(laboratory):
    def load(format_id, reader, job):
        return raised("load", "ValueError", "no such layer") if format_id == "h5" else None

    laboratory.load = load
    record = cell(laboratory.run(), f"dense/h5/{OLD}/{NEW}")
    assert record.status is Status.LOAD_ERROR
    assert record.error == {
        "phase": "load",
        "type": "ValueError",
        "message": "no such layer",
        "traceback": "ValueError: no such layer",
    }


def test_a_save_that_fails_settles_every_reader(laboratory):
    def save(saver, writer, job):
        return raised("save", "NotImplementedError", "get_config") if (saver, writer) == ("h5", OLD) else None

    laboratory.save = save
    run = laboratory.run()
    assert {c for c, status in statuses(run).items() if status is Status.SAVE_ERROR} == {
        f"dense/h5/{OLD}/{OLD}",
        f"dense/h5/{OLD}/{NEW}",
    }


@pytest.mark.parametrize(
    ("end", "status", "words"),
    [
        (Ends("crash", signal="SIGSEGV", output="Fatal Python error"), Status.CRASH, "killed by SIGSEGV"),
        (Ends("crash", exit_code=0), Status.CRASH, "exit code 0"),
        (Ends("timeout", signal="SIGKILL", output="in loop()"), Status.TIMEOUT, "time limit"),
        (Ends("memory", signal="SIGKILL", peak_bytes=2**32), Status.CRASH, "4096 MiB"),
    ],
)
def test_a_child_that_dies_costs_its_own_cell_only(laboratory, end, status, words):
    def load(format_id, reader, job):
        if (format_id, reader) == ("h5", NEW) and OLD in Path(job["artifact"]).read_text("latin-1"):
            raise end

    laboratory.load = load
    run = laboratory.run()
    record = cell(run, f"dense/h5/{OLD}/{NEW}")
    assert record.status is status
    assert words in record.error["message"]
    assert record.error["traceback"] == end.event["output"]
    others = {name: found for name, found in statuses(run).items() if name != record.cell}
    assert set(others.values()) == {Status.PASS}


def test_a_crash_that_does_not_come_again_is_flaky(laboratory):
    tries = []

    def load(format_id, reader, job):
        if (format_id, reader) == ("keras", NEW) and OLD in Path(job["artifact"]).read_text("latin-1"):
            tries.append(job)
            # In a group, alone, and alone once more: only the last one goes well.
            if len(tries) < 3:
                raise Ends("crash", signal="SIGSEGV")

    laboratory.load = load
    record = cell(laboratory.run(), f"dense/keras/{OLD}/{NEW}")
    assert (record.status, record.flaky) == (Status.CRASH, True)
    again = cell(laboratory.run(), record.cell)
    assert (again.status, again.flaky, again.cached) == (Status.CRASH, True, True)


def test_what_fails_behind_another_load_is_tried_alone_before_it_is_believed(laboratory):
    seen: list[tuple[str, ...]] = []

    def load(format_id, reader, job):
        # The second format fails only where the first was loaded before it in the same child.
        request = next(
            request
            for transport in laboratory.executor.transports
            for request in transport.requests
            if str(Path(job["folder"]).parent) == request.get("folder")
        )
        group = tuple(each["format"]["id"] for each in request["jobs"])
        seen.append(group)
        if format_id == "keras" and len(group) > 1:
            return raised("load", "RuntimeError", "spoiled by its neighbour")
        return None

    laboratory.load = load
    run = laboratory.run()
    assert set(statuses(run).values()) == {Status.PASS}
    assert ("h5", "keras") in seen
    assert ("keras",) in seen


def requests_of(laboratory, kind):
    """Jobs of one kind, by request: what shares a child stands together."""
    return [
        request["jobs"]
        for transport in laboratory.executor.transports
        for request in transport.requests
        if request.get("jobs", [{}])[0].get("kind") == kind
    ]


def test_the_formats_of_a_scenario_and_writer_share_one_training(laboratory):
    laboratory.run()
    assert [len(jobs) for jobs in requests_of(laboratory, "save")] == [2, 2]


def test_what_does_not_come_that_far_is_saved_in_a_child_of_its_own(laboratory):
    def answer(environment, request):
        jobs = request.get("jobs", ())
        if len(jobs) < 2 or jobs[0]["kind"] != "save":
            return None
        # As the worker does where the first saver changed the model: the second is left.
        result = laboratory._job(environment, {**jobs[0], "folder": f"{request['folder']}/0"})
        return [
            {"event": "started", "job": 0},
            {"event": "result", "job": 0, "result": result},
            {"event": "ended", "reason": "stopped", "completed": 1, "seconds": 1.0, "peak_bytes": 0, "output": "",
             "signal": None, "exit_code": 0},
        ]  # fmt: skip

    laboratory.executor.answer = answer
    run = laboratory.run()
    assert set(statuses(run).values()) == {Status.PASS}
    assert [len(jobs) for jobs in requests_of(laboratory, "save")] == [2, 1, 2, 1]


def test_a_save_that_dies_beside_others_is_believed_alone(laboratory):
    def save(saver, writer, job):
        if saver == "h5" and writer == OLD:
            raise Ends("crash", signal="SIGSEGV", output="Fatal Python error")

    laboratory.save = save
    run = laboratory.run()
    crashed = {record.cell for record in run.records if record.status is Status.CRASH}
    assert crashed == {f"dense/h5/{OLD}/{OLD}", f"dense/h5/{OLD}/{NEW}"}
    assert [len(jobs) for jobs in requests_of(laboratory, "save")].count(1) == 2


def test_an_environment_that_cannot_be_provided_says_nothing_about_compatibility(laboratory):
    laboratory.executor.broken = {NEW: InfrastructureError("no wheel for this platform")}
    run = laboratory.run()
    found = statuses(run)
    assert found[f"dense/h5/{OLD}/{OLD}"] is Status.PASS
    assert {name for name, status in found.items() if status is Status.INFRA_ERROR} == {
        name for name in found if NEW in name
    }
    assert exit_code(run) is ExitCode.INFRASTRUCTURE
    assert run.header["environments"][NEW] == {"unavailable": "no wheel for this platform"}


def test_a_wrong_environment_ends_the_run(laboratory):
    laboratory.executor.broken = {NEW: ConfigError("the lock no longer fits", file="locks/x.txt")}
    with pytest.raises(ConfigError, match="no longer fits"):
        laboratory.run()


@pytest.mark.parametrize("how", [Dies("out of luck"), Hangs()])
def test_a_lost_worker_is_infrastructure_and_is_not_stored(laboratory, how):
    def load(format_id, reader, job):
        if reader == NEW:
            raise how

    laboratory.load = load
    run = laboratory.run()
    lost = [record for record in run.records if record.status is Status.INFRA_ERROR]
    assert {record.reader for record in lost} == {NEW}
    assert len(lost) == 4
    laboratory.load = lambda format_id, reader, job: None
    again = laboratory.run()
    assert set(statuses(again).values()) == {Status.PASS}


def test_a_fault_of_the_worker_is_infrastructure(laboratory):
    error = {"type": "KeyError", "message": "'x'", "traceback": "in observe.py"}
    laboratory.load = lambda format_id, reader, job: {**OK, "status": "internal-error", "error": error, "seconds": {}}
    run = laboratory.run()
    assert set(statuses(run).values()) == {Status.INFRA_ERROR}
    assert "in observe.py" in run.records[0].error["traceback"]


def test_what_a_model_leaves_costs_its_own_cell_alone(laboratory):
    (laboratory.root / "secret").write_text("x")

    def save(saver, writer, job):
        if saver != "h5" or writer != OLD:
            return None
        folder = Path(job["folder"])
        (folder / "artifact").mkdir(parents=True)
        (folder / "artifact" / job["format"]["artifact"]).symlink_to(laboratory.root / "secret")
        write_observation(folder, 1.0)
        return {**OK, "status": "ok", "seconds": {}, "artifact": True, "observation": True}

    laboratory.save = save
    run = laboratory.run()
    for record in run.records:
        hostile = (record.format, record.writer) == ("h5", OLD)
        assert record.status is (Status.SAVE_ERROR if hostile else Status.PASS)
    error = cell(run, f"dense/h5/{OLD}/{OLD}").error
    assert error["type"] == "RefusedResult"
    assert error["message"].startswith("the artifact holds a link out of its folder: ")
    assert (laboratory.root / "secret").read_text() == "x"
    sent = len(laboratory.executor.jobs)
    laboratory.save = lambda saver, writer, job: None
    assert set(statuses(laboratory.run()).values()) == {Status.PASS}
    assert len(laboratory.executor.jobs) > sent, "what was refused is not in the store"


def test_nothing_of_a_process_that_breaks_the_protocol_is_believed(laboratory):
    def load(format_id, reader, job):
        if (format_id, reader) == ("keras", NEW):
            raise Ends("protocol", detail="a message without its token")
        return

    laboratory.load = load
    run = laboratory.run(remedies=False)
    refused = [record for record in run.records if record.status is not Status.PASS]
    assert {record.reader for record in refused} == {NEW}
    assert {record.status for record in refused} == {Status.LOAD_ERROR}
    assert {record.error["type"] for record in refused} == {"RefusedResult"}
    assert refused[0].error["message"].endswith("keep to the protocol: a message without its token")


def test_a_check_that_fails_itself_costs_its_own_cell_alone(laboratory, monkeypatch):
    compare = judge_module.compare

    def fail(writer, reader, **given):
        if reader.array(reader.section("outputs")[""]).stored[0, 0] == 3.0:
            raise IndexError("list index out of range")
        return compare(writer, reader, **given)

    monkeypatch.setattr(judge_module, "compare", fail)
    laboratory.load = lambda format_id, reader, job: 3.0 if (format_id, reader) == ("h5", NEW) else None
    run = laboratory.run(remedies=False)
    broken = [record for record in run.records if record.status is not Status.PASS]
    assert {record.cell for record in broken} == {f"dense/h5/{OLD}/{NEW}", f"dense/h5/{NEW}/{NEW}"}
    assert {record.status for record in broken} == {Status.INFRA_ERROR}
    assert broken[0].error["message"] == "the two observations could not be compared: list index out of range"
    assert exit_code(run) is ExitCode.INFRASTRUCTURE


@pytest.mark.parametrize("what", ["folders", "outcomes"])
def test_a_damaged_store_is_measured_again_and_comes_to_the_same(laboratory, what):
    before = laboratory.run()
    sent = len(laboratory.executor.jobs)
    damaged = sorted(path for path in (laboratory.root / "results" / "store" / what).rglob("*") if path.is_file())
    for path in damaged[::2]:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    after = laboratory.run()
    assert statuses(after) == statuses(before)
    assert len(laboratory.executor.jobs) > sent
    done = len(laboratory.executor.jobs)
    assert statuses(laboratory.run()) == statuses(before)
    assert len(laboratory.executor.jobs) == done, "everything is there again"


@pytest.mark.parametrize(
    "change",
    [
        {"warnings": 7},
        {"seconds": "x"},
        {"artifact": {"digest": 1}},
        {"status": None},
        {"error": {"type": "RefusedResult", "message": "", "traceback": ""}, "status": "error"},
    ],
)
def test_a_bad_outcome_that_an_earlier_version_kept_is_measured_again(laboratory, change):
    laboratory.run()
    for path in (laboratory.root / "results" / "store" / "outcomes").rglob("*.json"):
        kept = json.loads(path.read_text())["outcome"]
        if "status" in kept:
            path.write_text(json.dumps({"schema": 1, "outcome": {**kept, **change}}))
    sent = len(laboratory.executor.jobs)
    assert set(statuses(laboratory.run()).values()) == {Status.PASS}
    assert len(laboratory.executor.jobs) == 2 * sent


def test_an_observation_that_an_earlier_version_took_unread_is_measured_again(laboratory):
    laboratory.run()
    store = Store(laboratory.root / "results" / "store")
    for path in (laboratory.root / "results" / "store" / "outcomes").rglob("*.json"):
        kept = json.loads(path.read_text())["outcome"]
        if "observation" in kept:
            with store.incoming() as folder:
                (folder / "observation.json").write_text('{"schema": 1, "kind": "keras", "weights": [{}]}')
                np.savez(folder / "arrays.npz")
                kept["observation"] = store.keep(folder)
            path.write_text(json.dumps({"schema": 1, "outcome": kept}))
    assert set(statuses(laboratory.run()).values()) == {Status.PASS}


def test_an_outcome_that_an_earlier_version_kept_well_is_not_measured_again(laboratory):
    laboratory.run()
    for path in (laboratory.root / "results" / "store" / "outcomes").rglob("*.json"):
        path.write_text(json.dumps({"schema": 1, "outcome": json.loads(path.read_text())["outcome"]}))
    sent = len(laboratory.executor.jobs)
    laboratory.run()
    assert len(laboratory.executor.jobs) == sent


def test_known_failures_are_expected_and_fixed_ones_are_told(laboratory):
    laboratory.load = lambda format_id, reader, job: 1.5 if (format_id, reader) == ("h5", NEW) else None
    known = KnownFailure(cells=("dense/h5",), status=(Status.DRIFT,), reason="measured")
    run = laboratory.run(known=(known,))
    assert exit_code(run) is ExitCode.OK
    assert {record.cell for record in run.records if record.known} == {
        f"dense/h5/{OLD}/{NEW}",
        f"dense/h5/{NEW}/{NEW}",
    }
    assert {record.cell for record in run.records if record.fixed} == {
        f"dense/h5/{OLD}/{OLD}",
        f"dense/h5/{NEW}/{OLD}",
    }


def test_phases_can_run_apart_and_the_table_measures_nothing(laboratory):
    saved = laboratory.run(phase=Phase.SAVE)
    assert set(statuses(saved).values()) == {Status.SKIPPED}
    assert {job["kind"] for job in laboratory.executor.jobs} == {"save"}
    table = laboratory.run(phase=Phase.TABLE)
    assert set(statuses(table).values()) == {Status.SKIPPED}
    loaded = laboratory.run(phase=Phase.LOAD)
    assert set(statuses(loaded).values()) == {Status.PASS}
    sent = len(laboratory.executor.jobs)
    table = laboratory.run(phase=Phase.TABLE)
    assert set(statuses(table).values()) == {Status.PASS}
    assert len(laboratory.executor.jobs) == sent
    assert read_run(laboratory.root / "results", "latest").id == table.id


def test_noise_of_the_writer_is_measured_stored_and_granted(laboratory):
    def save(saver, writer, job):
        folder = Path(job["folder"])
        (folder / "artifact").mkdir(parents=True)
        name = own_formats()[saver].artifact
        (folder / "artifact" / name).write_text(saver + writer)
        observation = write_observation(folder, 1.0 if saver == "h5" else 1.01)
        artifact = True
        return {**OK, "status": "ok", "seconds": {}, "artifact": artifact, "observation": observation}

    laboratory.save = save
    laboratory.load = lambda format_id, reader, job: 1.01 if format_id == "h5" else None
    run = laboratory.run()
    assert cell(run, f"dense/h5/{OLD}/{NEW}").status is Status.PASS
    noise = run.header["noise"][f"dense/{OLD}"]["outputs"][""]["max_abs"]
    assert noise == pytest.approx(0.01, rel=1e-4)


def test_isolated_jobs_share_nothing(laboratory):
    run = laboratory.run(isolated=True, slots=1)
    assert set(statuses(run).values()) == {Status.PASS}
    requests = [
        request for transport in laboratory.executor.transports for request in transport.requests if "jobs" in request
    ]
    assert {len(request["jobs"]) for request in requests} == {1}
    assert len(laboratory.executor.transports) == len(requests) == 4 + 8


def only_without_compiling(format_id, reader, job):
    """A reader that reads `keras` with compile=False, and not otherwise."""
    if format_id != "keras" or reader != NEW or job["remedies"] == ["no_compile"]:
        return None
    return raised("load", "TypeError", "cannot deserialize")


@pytest.mark.parametrize("slots", [1, 4])
def test_the_first_cell_of_a_cause_tries_all_and_the_others_what_helped_it(laboratory, slots):
    laboratory.load = only_without_compiling
    run = laboratory.run(slots=slots)
    first, second = cell(run, f"dense/keras/{OLD}/{NEW}"), cell(run, f"dense/keras/{NEW}/{NEW}")
    assert {first.status, second.status} == {Status.LOAD_ERROR}
    tried = {entry["name"]: entry["status"] for entry in first.remedies}
    assert tried["safe_mode=False"] == "load-error"
    assert tried["compile=False"] == "pass"
    assert "rebuild from code + load_weights" in tried
    assert second.remedies[0]["name"] == "compile=False"
    assert len([entry for entry in second.remedies if not entry["name"].startswith("save as ")]) == 1
    assert first.remedy == second.remedy == "compile=False"
    assert {entry["seconds"] for entry in second.remedies} == {0.1, 0.0}
    again = laboratory.run()
    assert all(record.cached for record in again.records)
    assert [record.remedies for record in again.records] == [record.remedies for record in run.records]


def test_another_cause_has_a_first_cell_of_its_own(laboratory):
    def load(format_id, reader, job):
        found = only_without_compiling(format_id, reader, job)
        is_old = OLD.encode() in Path(job["artifact"]).read_bytes()
        return raised("load", "ValueError", "no such layer") if found is not None and not is_old else found

    laboratory.load = load
    run = laboratory.run()
    for writer in (OLD, NEW):
        names = [entry["name"] for entry in cell(run, f"dense/keras/{writer}/{NEW}").remedies]
        assert {"safe_mode=False", "compile=False", "rebuild from code + load_weights"} <= set(names)


FORM: dict[str, Any] = {"schema": 1, "keras": OLD, "compile": None, "assets": {}, "error": None}
FORM["model"] = {"class_name": "Sequential", "config": {"name": "m", "layers": []}}


def unreadable(format_id, reader, job):
    """A reader that reads what it made itself, and nothing of the writer's."""
    is_old = OLD.encode() in Path(job["artifact"]).read_bytes()
    return raised("load", "TypeError", "no") if is_old and reader == NEW else None


def test_an_artifact_that_its_reader_makes_anew_is_a_remedy(laboratory):
    laboratory.load, laboratory.form = unreadable, FORM
    run = laboratory.run()
    record = cell(run, f"dense/keras/{OLD}/{NEW}")
    (found,) = [each for each in record.remedies if each["name"] == "tfmatrix migrate"]
    assert (found["status"], record.remedy) == ("pass", "tfmatrix migrate")
    kinds = [(job["kind"], job["format"]["id"]) for job in laboratory.executor.jobs]
    assert kinds.count(("dismantle", "keras")) == kinds.count(("dismantle", "h5")) == 1
    again = laboratory.run()
    assert all(record.cached for record in again.records)
    assert [record.remedies for record in again.records] == [record.remedies for record in run.records]
    table = laboratory.run(phase=Phase.TABLE)
    assert cell(table, f"dense/keras/{OLD}/{NEW}").remedies == record.remedies


def test_the_others_of_a_cause_are_made_anew_where_the_run_says_so(laboratory):
    for name in ("a", "b"):
        (laboratory.root / "scenarios" / f"{name}.py").write_text(SCENARIO)
    laboratory.load, laboratory.form = unreadable, FORM
    for migrates, tried in ((False, 1), (True, 3)):
        run = laboratory.run(migrates=migrates)
        records = [cell(run, f"{name}/keras/{OLD}/{NEW}") for name in ("a", "b", "dense")]
        assert sum("tfmatrix migrate" in {each["name"] for each in record.remedies} for record in records) == tried


def test_nothing_is_tried_for_what_the_baseline_does_not_read_of_its_own(laboratory):
    laboratory.load = lambda format_id, reader, job: unreadable(format_id, NEW, job)
    for baseline in (None, OLD):
        run = laboratory.run(baseline=baseline)
        own, new = (cell(run, f"dense/keras/{OLD}/{reader}") for reader in (OLD, NEW))
        assert own.status == new.status == "load-error"
        assert new.remedies
        assert bool(own.remedies) is (baseline is None)


def test_an_artifact_made_anew_that_is_another_model_is_none(laboratory):
    laboratory.form = FORM
    laboratory.load = lambda format_id, reader, job: (
        unreadable(format_id, reader, job) or (2.0 if b"made anew" in Path(job["artifact"]).read_bytes() else None)
    )
    record = cell(laboratory.run(), f"dense/keras/{OLD}/{NEW}")
    (found,) = [each for each in record.remedies if each["name"] == "tfmatrix migrate"]
    assert (found["status"], found["detail"]) == ("drift", "brings back nothing; not outputs")
    assert record.remedy is None


def test_why_an_artifact_cannot_be_made_anew_is_said(laboratory):
    laboratory.load = unreadable
    laboratory.form = {**FORM, "error": {"type": "NotImplementedError", "message": "no get_config"}, "model": None}
    record = cell(laboratory.run(), f"dense/keras/{OLD}/{NEW}")
    (found,) = [each for each in record.remedies if each["name"] == "tfmatrix migrate"]
    assert found["status"] == "load-error"
    assert "no get_config" in found["detail"]


def test_another_format_is_a_remedy(laboratory):
    laboratory.load = lambda format_id, reader, job: (
        raised("load", "TypeError", "no") if format_id == "keras" and reader == NEW else None
    )
    record = cell(laboratory.run(), f"dense/keras/{OLD}/{NEW}")
    assert record.remedy == "save as h5"


def test_another_format_is_measured_by_what_the_failing_one_promises(laboratory):
    (laboratory.root / "scenarios" / "dense.py").write_text(SCENARIO.replace('"h5"', '"tf-savedmodel-raw"'))

    def save(saver, writer, job):
        folder = Path(job["folder"])
        name = own_formats()[saver].artifact
        (folder / "artifact").mkdir(parents=True)
        (folder / "artifact" / name).write_text(saver)
        write_observation(folder, 1.0)
        document = folder / "observation" / "observation.json"
        document.write_text(json.dumps({**json.loads(document.read_text()), "config": NO_LAYERS}))
        artifact = True
        return {**OK, "status": "ok", "seconds": {}, "artifact": artifact, "observation": True}

    laboratory.save = save
    laboratory.load = lambda format_id, reader, job: (
        raised("load", "TypeError", "no") if format_id == "keras" and reader == NEW else None
    )
    record = cell(laboratory.run(), f"dense/keras/{OLD}/{NEW}")
    (saved,) = [each for each in record.remedies if each["name"] == "save as tf-savedmodel-raw"]
    # A function that predicts is no model whose config could be read.
    assert saved["status"] == "drift"
    assert saved["detail"] == "brings back outputs; not config"


def test_no_remedy_is_tried_where_none_is_wanted(laboratory):
    laboratory.load = lambda format_id, reader, job: raised("load", "TypeError", "no")
    run = laboratory.run(remedies=False)
    assert not any(job.get("remedies") for job in laboratory.executor.jobs)
    assert not any(record.remedies for record in run.records)


# --- adaptive: what others tell is not measured ----------------------------------------------------------------------

FIELD = ("2.9.3", "2.10.1", "2.11.1", "2.12.1", "2.13.1", "2.14.1", "2.15.1", "2.16.2", "2.17.1", "2.18.1", "2.21.0")


@pytest.fixture
def field(laboratory):
    """Eleven releases; each writer's artifact names it, so that the kinds of `classes` have to be told."""
    laboratory.environments = tuple(
        Environment(id=name, tensorflow=name, keras=f"3.{number}.0" if number > 6 else None)
        for number, name in enumerate(FIELD)
    )
    laboratory.pairs = ("adaptive",)
    return laboratory


@pytest.fixture
def one_class(monkeypatch):
    monkeypatch.setattr("tfmatrix.engine.classes.artifact_class", lambda folder: "the same")


def test_what_others_tell_is_not_measured_and_says_so(field, one_class):
    run = field.run(audit=None)
    assert set(statuses(run).values()) == {Status.PASS}
    assert len(run.records) == 2 * len(FIELD) ** 2
    measured = [record for record in run.records if record.inferred is None]
    assert len(measured) == len([job for job in field.executor.jobs if job["kind"] == "load"])
    beside = [each for each in measured if each.writer != each.reader and each.reader != "2.9.3"]
    assert {each.writer for each in beside} == {"2.9.3"}, "but for what has one Keras, one writer speaks for its class"
    assert len(measured) < len(run.records) / 4
    inferred = cell(run, "dense/h5/2.15.1/2.18.1")
    assert inferred.inferred == {"from": "dense/h5/2.9.3/2.18.1", "by": "artifact"}
    assert (inferred.checks, inferred.load, inferred.artifact, inferred.seconds) == ({}, {}, None, 0.0)
    assert cell(run, "dense/h5/2.15.1/2.10.1").inferred["by"] in ("artifact", "reader")
    assert {record.inferred["by"] for record in run.records if record.inferred} == {"artifact", "reader"}
    assert run.header["inference"]["inferred"] == len(run.records) - len(measured)
    assert run.header["inference"]["of"] == len(run.records)
    assert run.header["inference"]["audit"]["upper_bound"] is None
    again = field.run(audit=None)
    assert [record.inferred for record in again.records] == [record.inferred for record in run.records]


def test_artifacts_of_different_classes_tell_nothing_of_each_other(field):
    run = field.run(audit=None)
    assert {record.inferred["by"] for record in run.records if record.inferred} == {"reader"}


def test_an_audit_finds_a_planted_error_and_what_depends_on_it_is_measured(field, one_class):
    def is_bad(record):
        # One writer whose class is wrong; where it meets its own Keras, and the leader's, it is measured anyhow.
        return record.writer == "2.14.1" and record.reader not in ("2.14.1", "2.9.3")

    def load(format_id, reader, job):
        written = Path(job["artifact"]).read_bytes()
        return 1.5 if b"2.14.1" in written and reader not in ("2.14.1", "2.9.3") else None

    field.load = load
    blind = field.run(audit=None)
    assert Status.DRIFT not in statuses(blind).values()
    run = field.run(audit=(0.5, 0))
    audit = run.header["inference"]["audit"]
    assert audit["wrong"] > 0
    assert (audit["found"][0]["measured"], audit["found"][0]["by"]) == ("drift", "artifact")
    assert audit["upper_bound"] > audit["rate"] > 0
    assert all((record.status is Status.DRIFT) == is_bad(record) for record in run.records)
    later = field.run(audit=None)
    assert statuses(later) == statuses(run), "what was found once stays found"
    table = field.run(phase=Phase.TABLE)
    assert statuses(table) == statuses(run)
    assert table.header["inference"]["audit"] == audit, "a table of what the store has shows its last audit"


def test_a_table_of_a_store_without_an_audit_has_none(field, one_class):
    field.run(audit=None)
    audit = field.run(phase=Phase.TABLE).header["inference"]["audit"]
    assert (audit["cells"], audit["upper_bound"]) == (0, None)


def test_an_inferred_failure_that_is_not_listed_is_measured_where_only_its_source_is(field, one_class):
    field.load = lambda format_id, reader, job: 1.5 if format_id == "h5" else None
    known = KnownFailure(cells=("dense/h5/2.9.3",), status=(Status.DRIFT,), reason="measured")
    run = field.run(known=(known,), audit=None)
    news = [record for record in run.records if record.is_news]
    assert news
    assert all(record.inferred is None for record in news)
    assert exit_code(run) is ExitCode.INCOMPATIBLE


def test_a_reader_that_is_not_there_is_not_inferred(field, one_class):
    field.executor.broken = {"2.10.1": InfrastructureError("no wheel")}
    run = field.run(audit=None)
    for record in run.records:
        lost = "2.10.1" in (record.writer, record.reader)
        assert (record.status is Status.INFRA_ERROR) == lost
        assert record.inferred is None or not lost


def test_a_save_that_fails_is_told_by_itself(field, one_class):
    field.save = lambda saver, writer, job: raised("save", "ValueError", "no") if writer == "2.12.1" else None
    run = field.run(audit=None)
    failed = [record for record in run.records if record.status is Status.SAVE_ERROR]
    assert {record.writer for record in failed} == {"2.12.1"}
    assert len(failed) == 2 * len(FIELD)
    assert not any(record.inferred for record in failed)


def test_phases_of_an_adaptive_run(field, one_class):
    saved = field.run(phase=Phase.SAVE)
    assert set(statuses(saved).values()) == {Status.SKIPPED}
    loaded = field.run(phase=Phase.LOAD, audit=None)
    assert set(statuses(loaded).values()) == {Status.PASS}
    sent = len(field.executor.jobs)
    table = field.run(phase=Phase.TABLE)
    assert statuses(table) == statuses(loaded)
    assert len(field.executor.jobs) == sent


# --- what others measured --------------------------------------------------------------------------------------------


@pytest.fixture
def archive(laboratory, tmp_path):
    """What a run on another machine left: its records, and neither its artifacts nor its observations."""
    laboratory.load = lambda format_id, reader, job: 1.5 if (format_id, reader) == ("h5", NEW) else None
    run = laboratory.run()
    shutil.rmtree(laboratory.root / "results" / "store")
    return known_of(run, "elsewhere")


def never(known: Known) -> Known:
    """The same archive, of which no sample is measured."""

    class Trusted(Known):
        def is_checked(self, key: str, seed: str) -> bool:
            return False

    return Trusted(**{each.name: getattr(known, each.name) for each in fields(known)})


def test_what_others_measured_is_not_measured_again(laboratory, archive):
    sent = len(laboratory.executor.jobs)
    run = laboratory.run(archive=never(archive))
    assert len(laboratory.executor.jobs) == sent
    assert {record.cell: (record.status, record.failed_checks) for record in run.records} == {
        cell: (record.status, record.failed_checks) for cell, record in archive.cells.items()
    }
    assert {record.run for record in run.records} == {run.id}
    assert run.header["known"] == {"from": "elsewhere", "run": archive.run, "cells": 8, "checked": 0, "wrong": []}
    record = cell(run, f"dense/h5/{OLD}/{NEW}")
    assert record.remedies == archive.cells[record.cell].remedies


def test_what_others_lack_is_measured_and_its_artifact_made_for_that(laboratory, archive):
    third = Environment(id="2.20.0", tensorflow="2.20.0")
    laboratory.environments = (*laboratory.environments, third)
    sent = len(laboratory.executor.jobs)
    run = laboratory.run(archive=never(archive))
    assert statuses(run)[f"dense/keras/{OLD}/2.20.0"] is Status.PASS
    loads = [job for job in laboratory.executor.jobs[sent:] if job["kind"] == "load" and not job["remedies"]]
    assert len(loads) == 2 * 5, "by the new reader, and what the new writer saved"
    assert run.header["known"]["cells"] == 8


@pytest.mark.parametrize("lies", [False, True])
def test_a_sample_of_what_others_say_is_measured(laboratory, archive, monkeypatch, lies):
    monkeypatch.setattr("tfmatrix.store.known.SHARE", 1.0)
    if lies:
        laboratory.load = lambda format_id, reader, job: None
    known = laboratory.run(archive=archive).header["known"]
    assert (known["cells"], known["checked"]) == (0, 8)
    assert sorted(known["wrong"]) == ([f"dense/h5/{OLD}/{NEW}", f"dense/h5/{NEW}/{NEW}"] if lies else [])


def test_another_scenario_is_not_what_others_measured(laboratory, archive):
    (laboratory.root / "scenarios" / "dense.py").write_text(SCENARIO.replace("A dense", "Another"))
    run = laboratory.run(archive=never(archive))
    assert run.header["known"]["cells"] == 0
    assert not any(record.cached for record in run.records)


def test_what_others_tried_nothing_on_is_measured_and_tried(laboratory):
    laboratory.load = lambda format_id, reader, job: 1.5 if (format_id, reader) == ("h5", NEW) else None
    untried = laboratory.run(remedies=False)
    assert not cell(untried, f"dense/h5/{OLD}/{NEW}").remedies
    shutil.rmtree(laboratory.root / "results" / "store")
    sent = len(laboratory.executor.jobs)
    run = laboratory.run(archive=never(known_of(untried, "elsewhere")))
    tried = {record.cell: record for record in run.records if record.status is Status.DRIFT}
    assert set(tried) == {f"dense/h5/{OLD}/{NEW}", f"dense/h5/{NEW}/{NEW}"}
    assert all(record.remedies for record in tried.values())
    plain = [job for job in laboratory.executor.jobs[sent:] if job["kind"] == "load" and not job["remedies"]]
    assert {job["format"]["id"] for job in plain} >= {"h5"}
    assert run.header["known"]["cells"] == len(run.records) - len(tried)
    again = len(laboratory.executor.jobs)
    known = never(known_of(run, "elsewhere"))
    shutil.rmtree(laboratory.root / "results" / "store")
    laboratory.run(archive=known)
    assert len(laboratory.executor.jobs) == again, "what is tried once is not tried again"


@pytest.mark.parametrize("tells", [True, False])
def test_classes_come_with_an_archive_and_without_them_an_artifact_speaks_for_itself(field, tells, monkeypatch):
    def by_keras(folder):
        (path,) = folder.iterdir()
        return "new" if any(name.encode() in path.read_bytes() for name in FIELD[7:]) else "old"

    def load(format_id, reader, job):
        written = Path(job["artifact"]).read_bytes()
        return None if any(name.encode() in written for name in FIELD[7:]) else 1.5

    monkeypatch.setattr("tfmatrix.engine.classes.artifact_class", by_keras)
    field.load = load
    first = field.run(audit=None)
    known = never(known_of(first, "elsewhere"))
    assert set(known.classes.values()) == {"old", "new"}
    shutil.rmtree(field.root / "results" / "store")
    sent = len(field.executor.jobs)
    run = field.run(archive=known if tells else replace(known, classes={}), audit=None, remedies=False)
    assert statuses(run) == statuses(first)
    if tells:
        assert [record.inferred for record in run.records] == [record.inferred for record in first.records]
        assert len(field.executor.jobs) == sent
    else:
        assert {record.inferred["by"] for record in run.records if record.inferred} == {"reader"}


def test_classes_of_other_code_are_not_taken_over(field, one_class):
    run = field.run(audit=None)
    other = {**run.header, "code": {**run.header["code"], "classes": "of another version"}}
    assert known_of(run, "elsewhere").classes
    assert not known_of(replace(run, header=other), "elsewhere").classes


def test_a_traceback_does_not_tell_where_the_project_lies(laboratory):
    def load(format_id, reader, job):
        failed = raised("load", "ValueError", "no")
        text = f'File "{laboratory.root}/scenarios/dense.py", line 3'
        return {**failed, "error": {**failed["error"], "traceback": text}}

    laboratory.load = load
    record = cell(laboratory.run(remedies=False), f"dense/h5/{OLD}/{NEW}")
    assert record.error["traceback"] == 'File "/tfmatrix/scenarios/dense.py", line 3'


def test_what_others_measured_of_a_save_holds_of_one_that_was_made_again_here(laboratory, archive):
    """No two saves of some formats are equal byte by byte, though their keys are."""
    made = iter(range(100))

    def save(saver, writer, job):
        folder = Path(job["folder"])
        (folder / "artifact").mkdir(parents=True)
        (folder / "artifact" / job["format"]["artifact"]).write_bytes(HDF5 + f"{writer} {next(made)}".encode())
        return {
            **OK,
            "status": "ok",
            "seconds": {"save": 0.2},
            "artifact": True,
            "observation": write_observation(folder, 1.0),
        }

    laboratory.save = save
    laboratory.environments = (*laboratory.environments, Environment(id="2.20.0", tensorflow="2.20.0"))
    first = laboratory.run(archive=never(archive))
    sent = len(laboratory.executor.jobs)
    again = laboratory.run(archive=never(archive))
    table = laboratory.run(archive=never(archive), phase=Phase.TABLE)
    assert len(laboratory.executor.jobs) == sent
    assert statuses(again) == statuses(table) == statuses(first)
    assert again.header["known"]["cells"] == table.header["known"]["cells"] == first.header["known"]["cells"] == 8


def test_a_table_of_what_others_measured_needs_nothing_of_its_own(laboratory, archive, monkeypatch):
    monkeypatch.setattr("tfmatrix.store.known.SHARE", 1.0)
    sent = len(laboratory.executor.jobs)
    run = laboratory.run(archive=archive, phase=Phase.TABLE)
    assert len(laboratory.executor.jobs) == sent
    assert statuses(run) == {name: record.status for name, record in archive.cells.items()}


def test_what_others_could_not_save_is_not_tried_again(laboratory):
    warned = {"phase": "save", "channel": "warnings", "category": "UserWarning", "message": "soon", "count": 1}

    def save(saver, writer, job):
        if (saver, writer) == ("h5", OLD):
            return {**raised("save", "TypeError", "no"), "warnings": [warned]}
        if (saver, writer) == ("keras", OLD):
            raise Ends("crash", signal="SIGSEGV")
        return None

    laboratory.save = save
    first = laboratory.run()
    assert cell(first, f"dense/h5/{OLD}/{NEW}").status is Status.SAVE_ERROR
    shutil.rmtree(laboratory.root / "results" / "store")
    known = never(known_of(first, "elsewhere"))
    table = laboratory.run(archive=known, phase=Phase.TABLE)
    mine, theirs = (cell(run, f"dense/h5/{OLD}/{NEW}") for run in (table, first))
    assert (mine.status, mine.error, mine.save) == (theirs.status, theirs.error, theirs.save)
    assert mine.cached
    assert cell(table, f"dense/keras/{OLD}/{NEW}").status is Status.SKIPPED, "what died may live elsewhere"
    sent = len(laboratory.executor.jobs)
    assert statuses(laboratory.run(archive=known)) == statuses(first)
    assert {job["format"]["id"] for job in laboratory.executor.jobs[sent:]} == {"keras"}


def test_a_cell_of_which_nothing_was_recorded_is_lost_and_says_so(laboratory, monkeypatch):
    lost = CellId.parse(f"dense/h5/{OLD}/{NEW}")
    begin = Loads.begin
    monkeypatch.setattr(
        Loads, "begin", lambda self, saves, cells: begin(self, saves, [each for each in cells if each != lost])
    )
    run = laboratory.run()
    assert len(run.records) == 8
    record = cell(run, str(lost))
    assert (record.status, record.error["message"]) == (Status.INFRA_ERROR, LOST)
    assert exit_code(run) is ExitCode.INFRASTRUCTURE


def test_two_writers_whose_artifacts_are_equal_are_two_cells_of_what_others_measured(laboratory):
    def save(saver, writer, job):
        folder = Path(job["folder"])
        (folder / "artifact").mkdir(parents=True)
        (folder / "artifact" / job["format"]["artifact"]).write_bytes(HDF5 + b"whoever wrote it")
        observed = write_observation(folder, 1.0)
        return {**OK, "status": "ok", "seconds": {"save": 0.2}, "artifact": True, "observation": observed}

    laboratory.save = save
    first = laboratory.run()
    assert len({record.key for record in first.records}) < len(first.records), "one load is that of two cells"
    shutil.rmtree(laboratory.root / "results" / "store")
    run = laboratory.run(archive=never(known_of(first, "elsewhere")))
    assert statuses(run) == statuses(first)
    assert {record.cell: record.save["key"] for record in run.records} == {
        record.cell: record.save["key"] for record in first.records
    }
