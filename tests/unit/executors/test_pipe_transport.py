from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fakes import FakeSupply, fake_mounts, fake_prepared
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.executors.base import Mounts
from tfmatrix.executors.venv import RUN_VARIABLE, PipeTransport, VenvExecutor, kill_marked, marked_processes

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")


@pytest.fixture
def start(tmp_path):
    started = []

    def start(code):
        marker = ("TFMATRIX_TEST", f"{os.getpid()}-{tmp_path.name}-{len(started)}")
        transport = PipeTransport([sys.executable, "-c", code], cwd=tmp_path, variables={}, marker=marker)
        started.append(transport)
        transport.marker = marker
        return transport

    yield start
    for transport in started:
        transport.kill()


def wait_for_marked(marker, number):
    """Whether so many processes carry the marker; one that is just starting a program has no variables yet."""
    deadline = time.monotonic() + 10
    while len(list(marked_processes(marker))) != number and time.monotonic() < deadline:
        time.sleep(0.01)
    return len(list(marked_processes(marker))) == number


def read_all(transport):
    data = b""
    while piece := transport.read(10):
        data += piece
    return data


def test_reads_output_to_its_end_and_keeps_standard_error(start):
    transport = start("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert read_all(transport) == b"out\n"
    assert transport.read(10) == b""
    assert transport.log.text() == "err"
    assert transport.fate() == "exit code 3"


def test_the_signal_is_named(start):
    transport = start("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert read_all(transport) == b""
    assert transport.fate() == "killed by SIGSEGV"


def test_silence_times_out_though_standard_error_talks(start):
    code = "import sys, time\nwhile True: print('busy', file=sys.stderr, flush=True); time.sleep(0.02)"
    transport = start(code)
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        transport.read(0.3)
    assert 0.3 <= time.monotonic() - begin < 3
    # Reading is what collects the log; it has started by now, however slow the machine.
    deadline = time.monotonic() + 10
    while "busy" not in transport.log.text() and time.monotonic() < deadline:
        with pytest.raises(TimeoutError):
            transport.read(0.1)
    assert "busy" in transport.log.text()


def test_writing_to_a_process_that_does_not_read_times_out(start):
    transport = start("import time; time.sleep(60)")
    with pytest.raises(TimeoutError):
        transport.write(b"x" * (1 << 22), 0.3)


def test_writing_to_a_process_that_is_gone_fails(start):
    transport = start("pass")
    assert read_all(transport) == b""
    with pytest.raises(OSError, match="Broken pipe"):
        transport.write(b"x" * (1 << 22), 5)
    transport.kill()
    with pytest.raises(BrokenPipeError):
        transport.write(b"x", 5)


def test_the_end_is_seen_though_a_grandchild_holds_the_pipe(start):
    code = (
        "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); print('out')"
    )
    transport = start(code)
    begin = time.monotonic()
    assert read_all(transport) == b"out\n"
    assert time.monotonic() - begin < 10


@linux
def test_kill_reaches_processes_in_sessions_of_their_own(start):
    code = (
        "import subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    transport = start(code)
    assert transport.read(10) == b"ready\n"
    assert wait_for_marked(transport.marker, 2)
    transport.kill()
    assert list(marked_processes(transport.marker)) == []
    assert transport.fate() == "it was killed by tfmatrix"


@linux
def test_kill_reaches_what_a_dead_process_left_behind(start):
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    transport = start(code)
    assert read_all(transport) == b""
    assert wait_for_marked(transport.marker, 1)
    transport.kill()
    assert list(marked_processes(transport.marker)) == []
    assert transport.fate() == "exit code 0"


def test_kill_wakes_a_reader_in_another_thread(start):
    transport = start("import time; time.sleep(60)")
    threading.Timer(0.2, transport.kill).start()
    assert transport.read(30) == b""


@linux
def test_kill_closes_all_files(start):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        transport = start("import time; time.sleep(60)")
        transport.kill()
        transport.kill()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@linux
def test_only_marked_processes_are_killed(tmp_path):
    marker = ("TFMATRIX_TEST", f"sweep-{os.getpid()}")
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    marked = subprocess.Popen(command, env={"TFMATRIX_TEST": marker[1]})
    longer = subprocess.Popen(command, env={"TFMATRIX_TEST": marker[1] + "0"})
    try:
        assert wait_for_marked(marker, 1)
        kill_marked(marker)
        assert marked.wait(10) == -9
        assert longer.poll() is None
    finally:
        for process in (marked, longer):
            process.kill()
            process.wait()


def test_a_python_that_is_not_there_is_an_infrastructure_error(tmp_path):
    prepared = fake_prepared(Environment(id="2.15.1", tensorflow="2.15.1"))
    broken = type(prepared)(**{**vars(prepared), "python": str(tmp_path / "no" / "python")})
    mounts: Mounts = fake_mounts(tmp_path)
    with pytest.raises(InfrastructureError) as caught:
        VenvExecutor(FakeSupply(root=tmp_path, python=Path(sys.executable)), run="test").start(broken, mounts)
    assert "No such file or directory" in str(caught.value)
    assert "tfmatrix env build 2.15.1" in caught.value.fix


def test_a_sweep_of_nothing_is_well(tmp_path):
    VenvExecutor(FakeSupply(root=tmp_path, python=Path(sys.executable)), run=f"never-{os.getpid()}").sweep()
    assert list(marked_processes((RUN_VARIABLE, f"never-{os.getpid()}"))) == []
