from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from fakes import Dies, Ends, FakeExecutor, Hangs, fake_mounts, fake_prepared, ok_job
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ExitCode, InfrastructureError
from tfmatrix.executors.base import WorkerLostError, prepared_key
from tfmatrix.executors.process import PathMap, worker_arguments, worker_variables

ENVIRONMENT = Environment(id="2.15.1", tensorflow="2.15.1", python="3.11")


def start(executor, folder):
    return executor.start(executor.prepare(ENVIRONMENT), fake_mounts(folder))


def conversation(worker, *jobs):
    worker.send({"kind": "jobs", "jobs": list(jobs), "folder": "/work"})
    events = [worker.receive(1)]
    while events[-1]["event"] != "ended":
        events.append(worker.receive(1))
    return events


# The probe


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        ({"event": "ended"}, "does not say hello"),
        ({"python": "3.12.1"}, "Python 3.12.1 instead of 3.11.7"),
        ({"python": "3.1"}, "Python 3.1 instead of 3.11.7"),
        ({"packages": {"keras": "2.15.1"}}, "tensorflow 2.15.1 is missing"),
        ({"packages": None}, "tensorflow 2.15.1 is missing"),
        ({"packages": {"keras": "2.15.0", "tensorflow": "2.15.1"}}, "keras 2.15.0 instead of 2.15.1"),
        ({"error": {"type": "ImportError", "message": "libcuda"}}, "does not import: ImportError: libcuda"),
    ],
)
def test_a_worker_that_does_not_fit_its_lock_is_an_infrastructure_error(tmp_path, hello, words):
    executor = FakeExecutor(hello=hello)
    with pytest.raises(InfrastructureError) as caught:
        start(executor, tmp_path)
    assert words in str(caught.value)
    assert caught.value.exit_code is ExitCode.INFRASTRUCTURE
    assert executor.living == 0


@pytest.mark.parametrize("version", ["2.15.1", "2.15.1.0", "2.15.01"])
def test_versions_are_compared_as_versions(tmp_path, version):
    start(FakeExecutor(hello={"packages": {"tensorflow": version, "keras": "2.15.1", "more": "1"}}), tmp_path)


@pytest.mark.parametrize(
    "answer",
    [
        [{"event": "ended", "reason": "done"}],
        [{"event": "hello"}],
        [{"event": "unsupported", "kind": "jobs"}],
        [{"event": "unsupported"}],
    ],
)
def test_a_worker_that_does_not_refuse_nonsense_is_an_infrastructure_error(tmp_path, answer):
    known = {"hello", "jobs", "stop"}
    executor = FakeExecutor(answer=lambda name, request: answer if request["kind"] not in known else None)
    with pytest.raises(InfrastructureError, match="did not refuse a nonsense request"):
        start(executor, tmp_path)
    assert executor.living == 0


def test_a_worker_that_says_nothing_is_lost(tmp_path):
    def silent(name, request):
        raise Hangs
        yield

    executor = FakeExecutor(answer=silent)
    with pytest.raises(WorkerLostError, match="did not answer 'hello' within 1 s"):
        start(executor, tmp_path)
    assert executor.living == 0


def test_hello_is_kept(tmp_path):
    worker = start(FakeExecutor(hello={"start_method": "spawn"}), tmp_path)
    assert worker.hello["start_method"] == "spawn"


# Requests and the end


def test_a_failed_job_ends_the_child(tmp_path):
    def job(environment, job):
        return {**ok_job(environment, job), "status": "error" if job["format"] == "keras" else "ok"}

    worker = start(FakeExecutor(job=job), tmp_path)
    events = conversation(worker, *({"format": name} for name in ("h5", "keras", "savedmodel")))
    assert [event["event"] for event in events] == ["started", "result", "started", "result", "ended"]
    assert (events[-1]["reason"], events[-1]["completed"]) == ("stopped", 2)


def test_a_job_may_end_its_child(tmp_path):
    def job(environment, job):
        raise Ends("crash", signal="SIGSEGV")

    events = conversation(start(FakeExecutor(job=job), tmp_path), {})
    assert [event["event"] for event in events] == ["started", "ended"]
    assert (events[-1]["reason"], events[-1]["signal"], events[-1]["completed"]) == ("crash", "SIGSEGV", 0)


def test_a_lost_worker_stays_lost_with_the_first_error(tmp_path):
    def job(environment, job):
        raise Dies("out of memory", 137)

    executor = FakeExecutor(job=job)
    worker = start(executor, tmp_path)
    worker.send({"kind": "jobs", "jobs": [{}], "folder": "/work"})
    worker.receive(1)
    with pytest.raises(WorkerLostError, match="exit code 137"):
        worker.receive(1)
    assert executor.living == 0
    for again in (lambda: worker.receive(1), lambda: worker.send({"kind": "hello"})):
        with pytest.raises(WorkerLostError, match="exit code 137"):
            again()
    worker.close()


def test_close_asks_an_idle_worker_to_stop(tmp_path):
    executor = FakeExecutor()
    worker = start(executor, tmp_path)
    conversation(worker, {})
    worker.close()
    worker.close()
    assert [request["kind"] for request in executor.transports[0].requests][-1] == "stop"
    assert [request["kind"] for request in executor.transports[0].requests].count("stop") == 1
    assert executor.living == 0


def test_close_kills_a_busy_worker_without_asking(tmp_path):
    executor = FakeExecutor()
    worker = start(executor, tmp_path)
    worker.send({"kind": "jobs", "jobs": [{}], "folder": "/work"})
    worker.close()
    assert "stop" not in [request["kind"] for request in executor.transports[0].requests]
    assert executor.living == 0


def test_ids_given_by_the_caller_are_kept_and_never_repeated(tmp_path):
    worker = start(FakeExecutor(), tmp_path)
    assert worker.send({"kind": "jobs", "jobs": [], "id": 40}) == 40
    assert worker.send({"kind": "jobs", "jobs": []}) == 41


# Paths


def paths(**folders):
    return PathMap(folders={Path(host): PurePosixPath(inside) for host, inside in folders.values()}, work=Path("/"))


def test_the_innermost_folder_maps(tmp_path):
    mapping = paths(a=("/data/store", "/tfmatrix/store"), b=("/data/store/work", "/tfmatrix/work"))
    assert mapping.to_worker(Path("/data/store/ab/m.h5")) == "/tfmatrix/store/ab/m.h5"
    assert mapping.to_worker(Path("/data/store/work/1")) == "/tfmatrix/work/1"
    assert mapping.to_worker(Path("/data/store")) == "/tfmatrix/store"


@pytest.mark.parametrize("path", ["/data/storehouse/m", "/data", "/data/store/../other", "/etc/passwd"])
def test_other_paths_are_refused(path):
    with pytest.raises(ValueError, match="none of the worker's folders: /data/store"):
        paths(a=("/data/store", "/tfmatrix/store")).to_worker(Path(path))


def test_a_folder_may_be_named_by_a_link_and_links_inside_stay_links(tmp_path):
    mounts = fake_mounts(tmp_path / "real")
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    (mounts.work / "latest").symlink_to("elsewhere")
    mapping = PathMap.unchanged(mounts)
    assert mapping.to_worker(tmp_path / "alias" / "work" / "latest") == str(mounts.work / "latest")


# Variables and keys


def test_the_environment_has_the_last_word_on_variables():
    environment = Environment(id="x", env={"OMP_NUM_THREADS": "4", "TF_USE_LEGACY_KERAS": "1"})
    variables = worker_variables(environment, home="/work", tmp="/tmp")
    assert variables["OMP_NUM_THREADS"] == "4"
    assert variables["TF_USE_LEGACY_KERAS"] == "1"
    assert variables["HOME"] == "/work"
    assert "TF_CPP_MIN_LOG_LEVEL" not in variables
    assert "TF_ENABLE_ONEDNN_OPTS" not in variables


def test_arguments_leave_the_hash_seed_alone():
    arguments = worker_arguments("/w/server.py", work="/work", start_method="spawn")
    assert list(arguments) == ["-s", "/w/server.py", "--work", "/work", "--start-method", "spawn"]


def test_the_key_covers_everything_that_can_change_a_result():
    parts = {"lock": "l", "base": {"kind": "image", "digest": "d"}, "python": "3.11.7", "variables": {"A": "1"}}
    changes = {"lock": "m", "base": {"kind": "image", "digest": "e"}, "python": "3.11.8", "variables": {"A": "2"}}
    keys = {prepared_key(**{**parts, name: value}) for name, value in changes.items()}
    assert len(keys | {prepared_key(**parts)}) == 5
    assert prepared_key(**parts) == prepared_key(**parts)


# The fake's own promises


def test_a_fake_can_refuse_to_prepare_and_to_start(tmp_path):
    executor = FakeExecutor(
        broken={"2.15.1": InfrastructureError("no wheel")}, lost_at_start={"2.12.1": WorkerLostError("gone")}
    )
    with pytest.raises(InfrastructureError, match="no wheel"):
        executor.prepare(ENVIRONMENT)
    other = fake_prepared(Environment(id="2.12.1", tensorflow="2.12.1"))
    with pytest.raises(WorkerLostError, match="gone"):
        executor.start(other, fake_mounts(tmp_path))


def test_a_fake_counts_living_workers(tmp_path):
    executor = FakeExecutor()
    workers = [start(executor, tmp_path), start(executor, tmp_path)]
    assert executor.living == 2
    workers[0].close()
    assert executor.living == 1
    executor.sweep()
    assert executor.living == 0
