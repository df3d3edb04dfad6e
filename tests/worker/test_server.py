"""The fork server alone, with stand-ins for TensorFlow and for the jobs: what happens to a child that goes wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from tfmatrix.worker import protocol

WORKER = Path(protocol.__file__).parent
MEBIBYTE = 1024 * 1024

STUB_TENSORFLOW = """
__version__ = "2.99.0"
class _Threading:
    def set_intra_op_parallelism_threads(self, count): pass
    set_inter_op_parallelism_threads = set_intra_op_parallelism_threads
class config:
    threading = _Threading()
class keras:
    __version__ = "3.99.0"
    class layers:
        Dense = object
        class Layer:
            pass
        Layer.__module__ = "tensorflow.stub"
"""
STUB_CONTEXT = """
class _Context:
    _context_handle = {handle}
def context():
    return _Context()
"""
STUB_JOBS = """
import ctypes, os, subprocess, sys, time

def results(jobs, going_on):
    for job in jobs:
        result = run(job)
        yield result
        if result["status"] != "ok":
            return

def run(job):
    kind = job["kind"]
    if kind == "segfault":
        ctypes.string_at(0)
    if kind == "abort":
        os.abort()
    if kind == "exit":
        os._exit(0)
    if kind == "loop":
        while True:
            pass
    if kind == "sleep":
        time.sleep(3600)
    if kind == "spam":
        for _ in range(20000):
            print("x" * 1000)
    if kind == "eat":
        blocks = []
        while True:
            blocks.append(bytearray(16 * 1024 * 1024))
            time.sleep(0.01)
    if kind == "grandchild":
        with open(job["pidfile"], "w") as stream:
            stream.write(str(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"]).pid))
    if kind == "fault":
        raise RuntimeError("the worker's own fault")
    if kind == "whoami":
        return {"status": "ok", "pid": os.getpid(), "argument": job["argument"]}
    return {"status": "error" if kind == "raise" else "ok"}
"""


class Peer:
    """The host's end of a server under test."""

    def __init__(self, tmp_path: Path, python: str, *, handle: str = "None", start_method: str = "fork") -> None:
        stubs = tmp_path / "stubs"
        package = stubs / "tensorflow" / "python" / "eager"
        package.mkdir(parents=True)
        (stubs / "tensorflow" / "__init__.py").write_text(STUB_TENSORFLOW)
        (stubs / "tensorflow" / "python" / "__init__.py").write_text("")
        (package / "__init__.py").write_text("")
        (package / "context.py").write_text(STUB_CONTEXT.format(handle=handle))
        (stubs / "jobs.py").write_text(STUB_JOBS)
        for name in ("numpy", "h5py", "observe"):
            (stubs / f"{name}.py").write_text("")
        # The server's folder, with the stand-ins in place of what needs TensorFlow.
        code = stubs / "worker"
        code.mkdir()
        for name in ("server.py", "protocol.py", "versions.py", "confine.py", "landlock.py", "folders.py"):
            shutil.copy(WORKER / name, code / name)
        shutil.move(stubs / "jobs.py", code / "jobs.py")
        site = f"import sys; sys.path[:0] = [{str(stubs)!r}]"
        (code / "sitecustomize_for_test.py").write_text(site)
        work = tmp_path / "work"
        work.mkdir()
        text = (code / "server.py").read_text()
        (code / "server.py").write_text(text.replace("import confine\n", f"{site}\nimport confine\n", 1))
        self.process = subprocess.Popen(
            [python, "-s", str(code / "server.py"), "--work", str(work), "--start-method", start_method],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.work = work
        self.requests = 0

    def ask(self, **message: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(protocol.encode({"schema": 1, "id": 7, **message}))
        self.process.stdin.flush()

    def ask_jobs(self, *jobs: dict, timeout: float = 30, memory: int = 4096 * MEBIBYTE, disk: int = MEBIBYTE) -> None:
        self.requests += 1
        folder = str(self.work / f"request-{self.requests}")
        self.ask(kind="jobs", jobs=list(jobs), folder=folder, timeout=timeout, memory=memory, disk=disk)

    def hear(self) -> dict:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the server ended"
        return protocol.decode(line)

    def run(self, *jobs: dict, **limits: float) -> tuple[list[dict], dict]:
        """Results and the `ended` event of a jobs request."""
        self.ask_jobs(*jobs, **limits)
        results = []
        while True:
            event = self.hear()
            assert event["id"] == 7
            if event["event"] == "ended":
                return results, event
            if event["event"] == "result":
                results.append(event["result"])


def interpreters() -> list[str]:
    """Every Python from 3.7 to 3.13 that can be found, at least this one."""
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": sys.executable}
    folders = [*Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob("*/bin")]
    for minor in range(7, 14):
        name = f"python3.{minor}"
        candidates = [*(str(folder / name) for folder in folders if (folder / name).exists()), shutil.which(name)]
        for candidate in filter(None, candidates):
            if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
                found.setdefault(f"3.{minor}", candidate)
                break
    return [found[version] for version in sorted(found, key=lambda version: int(version.split(".")[1]))]


@pytest.fixture(params=["fork", "spawn"])
def peer(tmp_path, request):
    peer = Peer(tmp_path, sys.executable, start_method=request.param)
    yield peer
    peer.process.kill()
    peer.process.wait()


def greet(peer: Peer) -> dict:
    peer.ask(kind="hello")
    return peer.hear()


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).name)
def test_every_python_greets_runs_and_stops(tmp_path, python):
    peer = Peer(tmp_path, python)
    hello = greet(peer)
    assert hello["event"] == "hello"
    assert hello["error"] is None
    assert (hello["tensorflow"], hello["keras"], hello["start_method"]) == ("2.99.0", "3.99.0", "fork")
    results, ended = peer.run({"kind": "whoami", "argument": "é"}, {"kind": "whoami", "argument": 2})
    assert [result["argument"] for result in results] == ["é", 2]
    assert results[0]["pid"] == results[1]["pid"] != peer.process.pid
    assert (ended["reason"], ended["completed"], ended["exit_code"]) == ("done", 2, 0)
    peer.ask(kind="stop")
    assert peer.hear()["event"] == "bye"
    assert peer.process.wait(timeout=10) == 0


def test_nonsense_is_refused(peer):
    peer.ask(kind=protocol.NONSENSE)
    assert peer.hear() == {"schema": 1, "id": 7, "event": "unsupported", "kind": protocol.NONSENSE}


@pytest.mark.parametrize(
    ("job", "reason", "signal_name", "exit_code"),
    [
        ({"kind": "segfault"}, "crash", "SIGSEGV", None),
        ({"kind": "abort"}, "crash", "SIGABRT", None),
        ({"kind": "exit"}, "crash", None, 0),
        ({"kind": "loop"}, "timeout", "SIGKILL", None),
        ({"kind": "sleep"}, "timeout", "SIGKILL", None),
        ({"kind": "eat"}, "memory", "SIGKILL", None),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else None,
)
def test_a_child_that_dies_is_told_apart_and_its_neighbours_live(peer, job, reason, signal_name, exit_code):
    greet(peer)
    timeout = 1 if reason == "timeout" else 60
    results, ended = peer.run({"kind": "ok"}, job, {"kind": "ok"}, timeout=timeout, memory=256 * MEBIBYTE)
    assert [result["status"] for result in results] == ["ok"]
    assert (ended["reason"], ended["signal"], ended["exit_code"]) == (reason, signal_name, exit_code)
    assert ended["completed"] == 1
    results, ended = peer.run({"kind": "ok"})
    assert (len(results), ended["reason"]) == (1, "done")


@pytest.mark.parametrize("kind", ["segfault", "loop"])
def test_the_output_says_where_it_died(peer, kind):
    greet(peer)
    _, ended = peer.run({"kind": kind}, timeout=1)
    assert 'jobs.py", line' in ended["output"]


def test_jobs_after_a_failed_one_are_left_to_the_host(peer):
    greet(peer)
    results, ended = peer.run({"kind": "ok"}, {"kind": "raise"}, {"kind": "ok"})
    assert [result["status"] for result in results] == ["ok", "error"]
    assert (ended["reason"], ended["completed"]) == ("stopped", 2)


def test_a_fault_of_the_worker_is_not_an_error_of_the_model(peer):
    greet(peer)
    results, _ = peer.run({"kind": "fault"})
    assert results[0]["status"] == "internal-error"
    assert "the worker's own fault" in results[0]["error"]["traceback"]


def test_megabytes_of_output_stay_small(peer):
    greet(peer)
    results, ended = peer.run({"kind": "spam"})
    assert len(results) == 1
    assert len(ended["output"]) < 64 * 1024
    assert ended["output"].startswith("x")
    assert [path.name for path in peer.work.iterdir()] == ["request-1"]


def test_what_a_child_started_ends_with_it(peer, tmp_path):
    greet(peer)
    pidfile = tmp_path / "pid"
    peer.run({"kind": "grandchild", "pidfile": str(pidfile)})
    pid = int(pidfile.read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _is_running(pid):
        time.sleep(0.02)
    assert not _is_running(pid)


def test_a_server_whose_host_is_gone_ends_with_its_child(peer):
    greet(peer)
    peer.ask_jobs({"kind": "sleep"}, timeout=3600)
    assert peer.hear()["event"] == "started"
    assert peer.process.stdin is not None
    peer.process.stdin.close()
    assert peer.process.wait(timeout=10) == 0


def test_children_are_spawned_where_tensorflow_has_already_run(tmp_path):
    peer = Peer(tmp_path, sys.executable, handle="object()")
    hello = greet(peer)
    assert hello["start_method"] == "spawn"
    assert "already initialised" in hello["start_reason"]
    assert peer.run({"kind": "ok"})[1]["reason"] == "done"
    peer.process.kill()
    peer.process.wait()


def test_an_import_that_fails_is_told_in_the_greeting(tmp_path):
    peer = Peer(tmp_path, sys.executable)
    (tmp_path / "stubs" / "h5py.py").write_text("raise ImportError('no h5py today')")
    hello = greet(peer)
    assert (hello["error"]["type"], hello["error"]["message"]) == ("ImportError", "no h5py today")
    peer.ask_jobs({"kind": "ok"})
    assert peer.hear()["event"] == "refused"
    peer.process.kill()
    peer.process.wait()


def test_ctrl_c_is_left_to_the_host(peer):
    greet(peer)
    peer.process.send_signal(signal.SIGINT)
    assert peer.run({"kind": "ok"})[1]["reason"] == "done"


def test_messages_are_length_checked():
    line = protocol.encode({"schema": 1, "id": 1})
    assert protocol.decode(line) == {"schema": 1, "id": 1}
    for broken in (line[1:], b"5 " + line.split(b" ", 1)[1], b"x {}", b"2 []", b'12 {"schema": 2}', b"", b"2 {]"):
        with pytest.raises(ValueError, match=r"not a message|length says|not JSON|not an object|schema"):
            protocol.decode(broken)


def test_a_message_with_nan_is_refused():
    with pytest.raises(ValueError, match="Out of range float"):
        protocol.encode({"schema": 1, "loss": float("nan")})


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_stub_sources_are_what_the_server_needs():
    """The stand-ins must not hide a change of what the server imports."""
    source = (WORKER / "server.py").read_text()
    for name in ("import jobs", "import observe", "import h5py", "import numpy"):
        assert textwrap.indent(name, "    ") in source
