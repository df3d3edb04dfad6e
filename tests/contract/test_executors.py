"""What every executor promises to the scheduler, checked by one suite over fake, venv and docker.

The workers are stubs without TensorFlow, so that all of it runs anywhere in seconds.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker.errors import NotFound
from fakes import Dies, FakeExecutor, FakeSupply, Hangs, fake_mounts, fake_prepared
from needs import lacking
from python_image import make_python_image
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.executors.base import Executor, Mounts, Prepared, ProtocolError, WorkerLostError, WorkerProcess
from tfmatrix.executors.docker import DockerExecutor, Limits
from tfmatrix.executors.engine import RUN_LABEL, Engine, EngineUnavailableError, connect, sweep_all
from tfmatrix.executors.images import BaseImages, BaseUnavailableError, ImageSettings
from tfmatrix.executors.supply import ContainerWork
from tfmatrix.executors.venv import RUN_VARIABLE, VenvExecutor, marked_processes

STUB = Path(__file__).parent / "stub_worker"
INTERPRETER = Path(getattr(sys, "_base_executable", sys.executable))
PYTHON = ".".join(str(part) for part in sys.version_info[:2])
HOST_USERLAND = ImageSettings(host_userland="always")
SECONDS = 20.0


def load_stub() -> Any:
    spec = importlib.util.spec_from_file_location("stub_server", STUB / "server.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class InProcess(load_stub().Stub):  # type: ignore[misc]
    """The stub as a function, for the fake: what would end or block a process is raised instead."""

    def hello(self, request: Any) -> None:
        if self.mood == "dies at start":
            raise Dies("ImportError: libsomething.so", 3)
        super().hello(request)

    def act_hang(self, request: Any, job: Any) -> None:
        raise Hangs

    def act_die(self, request: Any, job: Any) -> None:
        raise Dies("these are the last words", job["code"])

    def act_silent_garbage(self, request: Any, job: Any) -> None:
        self.write(b"no end of line")
        raise Hangs

    def act_oversized(self, request: Any, job: Any) -> None:
        self.write(b'999999999 {"schema": 1')
        raise Hangs

    def act_truncated(self, request: Any, job: Any) -> None:
        self.write(b'60 {"schema": 1, "id"')
        raise Dies("", 0)

    def act_log(self, request: Any, job: Any) -> None:
        pytest.skip("a fake has no log of its own")

    def act_look(self, request: Any, job: Any) -> None:
        pytest.skip("a fake has no process of its own")


class Harness:
    """An executor with stub workers and what a test needs around it."""

    def __init__(
        self,
        executor: Executor,
        folder: Path,
        prepare: Callable[[Environment], Prepared],
        left: Callable[[], list[str]],
    ) -> None:
        self.executor = executor
        self.mounts: Mounts = fake_mounts(folder)
        self.left = left
        self._prepare = prepare

    def start(self, mood: str = "", *, python: str = PYTHON) -> WorkerProcess:
        variables = {"STUB": mood, "EXTRA": "of the environment"}
        environment = Environment(id="2.15.1+stub", tensorflow="2.15.1", python=python, env=variables)
        return self.executor.start(self._prepare(environment), self.mounts)

    def wait_for_nothing_left(self) -> list[str]:
        """What is left of the run once the kernel and the engine have had a moment to clean up."""
        deadline = time.monotonic() + 5
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.left()


def fake(folder: Path) -> Harness:
    def answer(name: str, request: dict[str, Any]) -> Iterator[bytes]:
        written: list[bytes] = []
        problem: Exception | None = None
        try:
            InProcess(written.append, moods[0]).answer(request)
        except SystemExit as error:
            problem = Dies("", int(error.code or 0))
        except (Dies, Hangs) as error:
            problem = error
        yield from written
        if problem:
            raise problem

    def prepare(environment: Environment) -> Prepared:
        moods[:] = [environment.env["STUB"]]
        prepared = fake_prepared(environment, {"tensorflow": "2.15.1"})
        return Prepared(**{**vars(prepared), "python_version": environment.python})

    moods = [""]
    executor = FakeExecutor(answer=answer)
    return Harness(executor, folder, prepare, lambda: ["worker"] * executor.living)


def supply(folder: Path) -> FakeSupply:
    return FakeSupply(root=folder / "cache", python=INTERPRETER, python_version=PYTHON)


def run_label(folder: Path) -> str:
    return f"contract-{os.getpid()}-{folder.name}"


def venv(folder: Path) -> Harness:
    def left() -> list[str]:
        return [str(pid) for pid in marked_processes((RUN_VARIABLE, run_label(folder)))]

    executor = VenvExecutor(supply(folder), run=run_label(folder), worker=STUB)
    return Harness(executor, folder, executor.prepare, left)


def docker(folder: Path, engine: Engine, settings: ImageSettings = HOST_USERLAND) -> Harness:
    def left() -> list[str]:
        filters = {"label": f"{RUN_LABEL}={run_label(folder)}"}
        return [found["Id"] for found in engine.client.containers(all=True, filters=filters)]

    executor = DockerExecutor(
        engine,
        BaseImages(engine, settings, print),
        supply(folder),
        run=run_label(folder),
        limits=Limits(memory=256 << 20, cpus=1, pids=64, tmp_bytes=16 << 20),
        say=print,
        worker=STUB,
    )
    return Harness(executor, folder, executor.prepare, left)


@pytest.fixture(scope="session")
def engine() -> Engine:
    try:
        return connect()
    except EngineUnavailableError as error:
        lacking(error.what)


@pytest.fixture(params=["fake", "venv", pytest.param("docker", marks=pytest.mark.docker)])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    match request.param:
        case "fake":
            made = fake(tmp_path)
        case "venv":
            made = venv(tmp_path)
        case _:
            made = docker(tmp_path, request.getfixturevalue("engine"))
    yield made
    made.executor.sweep()
    assert made.wait_for_nothing_left() == []


def run_jobs(worker: WorkerProcess, *jobs: dict[str, Any]) -> list[dict[str, Any]]:
    """Sends one request and returns its events."""
    worker.send({"kind": "jobs", "jobs": list(jobs)})
    events = [worker.receive(SECONDS)]
    while events[-1]["event"] != "ended":
        events.append(worker.receive(SECONDS))
    return events


def value(worker: WorkerProcess, **job: Any) -> Any:
    """The value that one job returned."""
    return run_jobs(worker, job)[1]["result"]["value"]


# A fresh worker


def test_a_worker_says_hello(harness: Harness) -> None:
    worker = harness.start()
    assert worker.hello["packages"] == {"tensorflow": "2.15.1"}
    assert worker.hello["python"].startswith(PYTHON)


@pytest.mark.parametrize(
    ("mood", "words"),
    [
        ("accepts everything", "did not refuse a nonsense request"),
        ("old python", f"Python 2.7.18 instead of {PYTHON}"),
        ("other packages", "tensorflow 2.16.2 instead of 2.15.1"),
        ("no tensorflow", "does not import: ImportError: no module named tensorflow"),
        ("chatters", "broke the protocol: not a message"),
        ("dies at start", "was lost: exit code 3"),
    ],
)
def test_an_unfit_worker_is_refused_and_gone(harness: Harness, mood: str, words: str) -> None:
    with pytest.raises(InfrastructureError) as caught:
        harness.start(mood)
    assert words in str(caught.value)
    assert harness.wait_for_nothing_left() == []


def test_a_worker_that_dies_at_start_leaves_its_last_words(harness: Harness) -> None:
    with pytest.raises(WorkerLostError) as caught:
        harness.start("dies at start")
    assert "libsomething.so" in caught.value.log_tail
    assert "libsomething.so" in str(caught.value)


# Requests and events


def test_events_come_in_order(harness: Harness) -> None:
    jobs = [{"act": "ok", "value": number} for number in range(5)]
    events = run_jobs(harness.start(), *jobs)
    expected = [(kind, index) for index in range(5) for kind in ("started", "result")]
    assert [(event["event"], event["job"]) for event in events[:-1]] == expected
    assert [event["result"]["value"] for event in events[1:-1:2]] == [0, 1, 2, 3, 4]
    assert events[-1]["reason"] == "done"


def test_ids_are_given_and_returned(harness: Harness) -> None:
    worker = harness.start()
    first = worker.send({"kind": "jobs", "jobs": []})
    second = worker.send({"kind": "jobs", "jobs": []})
    assert first < second
    assert [worker.receive(SECONDS)["id"], worker.receive(SECONDS)["id"]] == [first, second]


def test_large_messages_pass_both_ways(harness: Harness) -> None:
    text = "ä" * 1_500_000
    assert value(harness.start(), act="ok", value=text) == text


def test_an_unknown_kind_is_unsupported(harness: Harness) -> None:
    worker = harness.start()
    worker.send({"kind": "dance"})
    assert worker.receive(SECONDS)["event"] == "unsupported"
    assert value(worker, act="ok", value=1) == 1


def test_silence_is_a_timeout_and_the_worker_lives_on(harness: Harness) -> None:
    worker = harness.start()
    with pytest.raises(TimeoutError, match=r"2\.15\.1\+stub said nothing for 0\.2 s"):
        worker.receive(0.2)
    assert value(worker, act="ok", value=1) == 1


# The end of a worker


def test_kill_while_busy_takes_everything_it_started(harness: Harness) -> None:
    worker = harness.start()
    worker.send({"kind": "jobs", "jobs": [{"act": "hang"}]})
    assert worker.receive(SECONDS)["event"] == "started"
    with pytest.raises(TimeoutError):
        worker.receive(0.5)
    worker.kill()
    assert harness.wait_for_nothing_left() == []
    with pytest.raises(WorkerLostError, match="by tfmatrix"):
        worker.receive(1)


def test_kill_from_another_thread_wakes_the_reader(harness: Harness) -> None:
    if harness.executor.name == "fake":
        pytest.skip("a fake never waits")
    worker = harness.start()
    worker.send({"kind": "jobs", "jobs": [{"act": "hang"}]})
    assert worker.receive(SECONDS)["event"] == "started"
    killer = threading.Timer(0.3, worker.kill)
    killer.start()
    start = time.monotonic()
    with pytest.raises(WorkerLostError):
        worker.receive(60)
    assert time.monotonic() - start < 15
    killer.join()


def test_close_and_kill_are_idempotent(harness: Harness) -> None:
    worker = harness.start()
    worker.close()
    worker.close()
    worker.kill()
    worker.close()
    assert harness.wait_for_nothing_left() == []
    with pytest.raises(WorkerLostError):
        worker.send({"kind": "hello"})


def test_close_does_not_wait_for_a_busy_worker(harness: Harness) -> None:
    worker = harness.start()
    worker.send({"kind": "jobs", "jobs": [{"act": "hang"}]})
    assert worker.receive(SECONDS)["event"] == "started"
    start = time.monotonic()
    worker.close()
    assert time.monotonic() - start < 4
    assert harness.wait_for_nothing_left() == []


def test_a_lost_worker_is_told_with_its_last_words(harness: Harness) -> None:
    worker = harness.start()
    worker.send({"kind": "jobs", "jobs": [{"act": "ok"}, {"act": "die", "code": 7}]})
    assert [worker.receive(SECONDS)["event"] for _ in range(3)] == ["started", "result", "started"]
    with pytest.raises(WorkerLostError) as caught:
        worker.receive(SECONDS)
    assert "the worker of 2.15.1+stub was lost: exit code 7" in str(caught.value)
    assert "these are the last words" in caught.value.log_tail
    assert harness.wait_for_nothing_left() == []
    with pytest.raises(WorkerLostError, match="exit code 7"):
        worker.send({"kind": "hello"})


def test_sweep_ends_all_workers(harness: Harness) -> None:
    workers = [harness.start(), harness.start()]
    assert len(harness.left()) >= 2
    harness.executor.sweep()
    assert harness.wait_for_nothing_left() == []
    for worker in workers:
        with pytest.raises(WorkerLostError):
            worker.receive(1)
        worker.close()
    harness.executor.sweep()


def start_and_wait(kind: str, folder: Path, ready: Any) -> None:
    """The life of a tfmatrix that will be killed: a worker, then nothing. `ready` gets how it is found."""
    made = venv(folder) if kind == "venv" else docker(folder, connect())
    worker = made.start()
    ready.put(made.left())
    time.sleep(600)
    worker.close()


def test_a_worker_ends_when_its_tfmatrix_is_killed(harness: Harness, tmp_path: Path) -> None:
    kind = harness.executor.name
    if kind == "fake":
        pytest.skip("a fake has no process of its own")
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    process = context.Process(target=start_and_wait, args=(kind, tmp_path / "other", ready))
    process.start()
    # In venv also the processes that keep the server apart.
    names = ready.get(timeout=SECONDS)
    name = names[0]
    process.kill()
    process.join()
    deadline = time.monotonic() + 5
    if kind == "venv":
        while any(Path(f"/proc/{each}").exists() for each in names) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [each for each in names if Path(f"/proc/{each}").exists()] == []
        return
    client = connect().client
    while client.inspect_container(name)["State"]["Running"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert client.inspect_container(name)["State"]["ExitCode"] == 0
    living = harness.start()
    # What the killed one left is swept by `tfmatrix clean`; what a living one uses is not.
    sweep_all(client)
    with pytest.raises(NotFound):
        client.inspect_container(name)
    assert value(living, act="ok", value=1) == 1


# Garbage on the channel


@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("garbage", "not a message"),
        ("silent_garbage", "not a message"),
        ("truncated", "ended inside a message"),
        ("wrong_length", "length says 5 bytes"),
        ("oversized", "a message of 999999999 bytes"),
    ],
)
def test_garbage_is_refused_and_ends_the_worker(harness: Harness, act: str, words: str) -> None:
    worker = harness.start()
    worker.send({"kind": "jobs", "jobs": [{"act": act}]})
    assert worker.receive(SECONDS)["event"] == "started"
    with pytest.raises(ProtocolError) as caught:
        worker.receive(SECONDS)
    assert words in str(caught.value)
    assert harness.wait_for_nothing_left() == []


def test_the_log_is_kept_and_does_not_block(harness: Harness) -> None:
    worker = harness.start()
    lines = [f"line {number} " + "x" * 100 for number in range(20_000)] + ["\x1b[31mthe end\x1b[0m"]
    value(worker, act="log", lines=lines)
    with pytest.raises(TimeoutError):
        worker.receive(0.3)
    assert worker.log_tail.splitlines()[-1] == "[31mthe end[0m"
    assert len(worker.log_tail.splitlines()) == 40


# What a worker sees


def test_paths_are_mapped_and_readable(harness: Harness) -> None:
    (harness.mounts.scenarios / "dense.py").write_text("scenario")
    (harness.mounts.store / "ab").mkdir()
    (harness.mounts.store / "ab" / "model.h5").write_text("artifact")
    worker = harness.start()
    assert value(worker, act="read", path=worker.to_worker(harness.mounts.scenarios / "dense.py")) == "scenario"
    assert value(worker, act="read", path=worker.to_worker(harness.mounts.store / "ab" / "model.h5")) == "artifact"


def test_work_is_writable_and_its_files_are_the_hosts(harness: Harness) -> None:
    worker = harness.start()
    path = harness.mounts.work / "job-1" / "out.txt"
    assert value(worker, act="write", path=worker.to_worker(path), text="observed") == "written"
    assert path.read_text() == "observed"


def test_paths_outside_are_refused(harness: Harness, tmp_path: Path) -> None:
    worker = harness.start()
    with pytest.raises(ValueError, match="none of the worker's folders"):
        worker.to_worker(tmp_path / "elsewhere" / "file")
    with pytest.raises(ValueError, match="none of the worker's folders"):
        worker.to_worker(harness.mounts.work / ".." / "elsewhere")


def test_variables_are_clean(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "https_proxy", "HTTP_PROXY", "TF_CPP_MIN_LOG_LEVEL", "SECRET_TOKEN"):
        monkeypatch.setenv(name, "/of/the/host")
    worker = harness.start()
    seen = value(worker, act="look")
    variables = seen["variables"]
    assert "/of/the/host" not in variables.values()
    assert variables["EXTRA"] == "of the environment"
    assert variables["HOME"] == worker.to_worker(harness.mounts.work)
    assert variables["CUDA_VISIBLE_DEVICES"] == "-1"
    assert variables["OMP_NUM_THREADS"] == "1"
    assert seen["hash_seed"] == 0, "PYTHONHASHSEED=0 must not be ignored"


@pytest.mark.docker
class TestConfinement:
    """What containers promise beyond the other executors."""

    @pytest.fixture
    def harness(self, engine: Engine, tmp_path: Path) -> Iterator[Harness]:
        made = docker(tmp_path, engine)
        yield made
        made.executor.sweep()

    def test_only_work_and_tmp_are_writable(self, harness: Harness) -> None:
        (harness.mounts.scenarios / "dense.py").write_text("scenario")
        worker = harness.start()
        for path in (
            worker.to_worker(harness.mounts.scenarios / "dense.py"),
            worker.to_worker(harness.mounts.store / "new"),
            "/tfmatrix/worker/server.py",
            "/usr/lib/new",
            "/etc/new",
            "/new",
            str(INTERPRETER.parent / "new"),
        ):
            assert value(worker, act="write", path=path, text="x") in ("Read-only file system", "Permission denied"), (
                path
            )
        assert value(worker, act="write", path="/tmp/new", text="x") == "written"
        assert (harness.mounts.scenarios / "dense.py").read_text() == "scenario"

    def test_no_network_and_only_what_makes_users_of_jobs(self, harness: Harness) -> None:
        """The server gives each job a user of its own, whose files it hands over: CHOWN, DAC_OVERRIDE, FOWNER, KILL,
        SETGID and SETUID (bits 0, 1, 3, 5, 6, 7 of linux/capability.h), nothing else."""
        seen = value(harness.start(), act="look")
        assert seen["network"] == "Network is unreachable"
        assert int(seen["capabilities"], 16) == sum(1 << bit for bit in (0, 1, 3, 5, 6, 7))
        assert seen["no_new_privileges"] == "1"

    def test_docker_inspect_shows_every_limit(self, harness: Harness, engine: Engine) -> None:
        harness.start()
        found = engine.client.inspect_container(harness.left()[0])
        host = found["HostConfig"]
        assert host["NetworkMode"] == "none"
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert host["Memory"] == host["MemorySwap"] == (256 << 20) + (1 << 30)
        assert host["PidsLimit"] == 64
        assert host["NanoCpus"] == 1_000_000_000
        assert "size=16777216" in host["Tmpfs"]["/tmp"]
        assert host["AutoRemove"] is False
        assert host["Privileged"] is False
        assert found["Config"]["Labels"]["tfmatrix"] == "worker"
        writable = [mount["Destination"] for mount in found["Mounts"] if mount["RW"]]
        assert writable == ["/tfmatrix/work"]


PYTHON_IMAGE = "tfmatrix-test/python:{python}-slim"


@pytest.fixture(scope="module")
def image(engine: Engine) -> Iterator[str]:
    reference = PYTHON_IMAGE.format(python=PYTHON)
    make_python_image(engine.client, reference, INTERPRETER)
    yield reference
    engine.client.remove_image(reference, force=True)


@pytest.mark.docker
class TestImages:
    """Environments in images: one built in a container of a Python image, one that is an image itself."""

    @pytest.fixture
    def harness(self, engine: Engine, tmp_path: Path, image: str) -> Iterator[Harness]:
        made = docker(tmp_path, engine, ImageSettings(template=PYTHON_IMAGE, pull="never", host_userland="never"))
        yield made
        made.executor.sweep()
        assert made.wait_for_nothing_left() == []

    def test_an_environment_is_built_in_its_image_and_runs_there(self, harness: Harness, image: str) -> None:
        environment = Environment(id="2.15.1", tensorflow="2.15.1", python=PYTHON)
        prepared = harness.executor.prepare(environment)
        assert prepared.describe["base"]["kind"] == "python-image"
        assert prepared.describe["base"]["reference"] == image
        worker = harness.executor.start(prepared, harness.mounts)
        assert worker.hello["executable"] == prepared.python
        assert value(worker, act="write", path=prepared.python + "x", text="x") == "Read-only file system"

    def test_an_own_image_is_asked_once_for_its_packages(
        self, harness: Harness, image: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        environment = Environment(id="official", image=image)
        prepared = harness.executor.prepare(environment)
        assert prepared.lock is None
        assert prepared.packages == {"tensorflow": "2.15.1"}
        assert prepared.describe["python"].startswith(PYTHON)
        assert prepared.describe["base"]["kind"] == "image"
        assert value(harness.executor.start(prepared, harness.mounts), act="ok", value=1) == 1
        monkeypatch.setattr(DockerExecutor, "start", None)
        assert harness.executor.prepare(environment) == prepared

    def test_a_build_that_fails_shows_its_last_lines(self, harness: Harness) -> None:
        def fail(lock: Any, base: Any, run: Callable[[ContainerWork], None]) -> None:
            commands = [["python3", "-c", "raise SystemExit('no matching wheel')"], ["python3", "-c", "print('next')"]]
            run(ContainerWork(commands=commands, writable=[], readonly=[], variables={}))

        harness.executor._supply.in_image = fail  # type: ignore[attr-defined]
        with pytest.raises(InfrastructureError) as caught:
            harness.executor.prepare(Environment(id="2.15.1", tensorflow="2.15.1", python=PYTHON))
        assert "environment 2.15.1 could not be provided" in str(caught.value)
        assert "no matching wheel" in str(caught.value)
        assert "next" not in str(caught.value)


@pytest.mark.docker
def test_the_check_passes_here_and_names_what_is_wrong(engine: Engine, tmp_path: Path) -> None:
    executor = docker(tmp_path, engine).executor
    assert isinstance(executor, DockerExecutor)
    base = BaseImages(engine, HOST_USERLAND, print).host_userland("test")
    executor.check(base)
    with pytest.raises(BaseUnavailableError, match=r"[Nn]o such image"):
        executor.check(replace(base, image="tfmatrix-test/nothing:here"))
    with pytest.raises(BaseUnavailableError, match="python3"):
        executor.check(replace(base, kind="python-image"))
