"""Machines that fail under a run: what it comes to is the undisturbed table, or infrastructure, and nothing stays."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from real_project import RealProject

pytestmark = pytest.mark.real
TENSORFLOW = "2.15.1"
RUN = ("run", "--executor", "venv", "--jobs", "1", "--no-remedies")
SCENARIO = '''"""A dense layer."""
import tensorflow as tf

FORMATS = ("h5", "keras", "savedmodel")


def build_model():
    return tf.keras.Sequential([tf.keras.layers.Dense(100, input_shape=(1000,))])


def inputs(rng):
    return rng.uniform(size=(4, 1000)).astype("float32")
'''


@pytest.fixture
def project(tmp_path: Path) -> RealProject:
    made = RealProject(tmp_path / "project", [TENSORFLOW], (), "defaults: {timeout: 60}\n")
    for name in ("a", "b"):
        (made.root / "scenarios" / f"{name}.py").write_text(SCENARIO)
    return made


def table(project: RealProject) -> dict[str, Any]:
    """Cells and their statuses, of a run that must end."""
    finished = project.tfmatrix(*RUN, "--json")
    assert finished.code in (0, 1), finished.stderr
    return {name: record["status"] for name, record in finished.cells().items()}


def begin(project: RealProject) -> subprocess.Popen[str]:
    """A run in a process of its own, of which the first cell is there."""
    process = subprocess.Popen(project.command(*RUN), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not list((project.root / "results").glob("store/outcomes/*/*.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no cell within two minutes"
        time.sleep(0.05)
    return process


def left(project: RealProject) -> list[str]:
    """What lies in the folders that a run empties, and its processes."""
    store = project.root / "results" / "store"
    found = [str(path) for pattern in ("work/*", "folders/.incoming-*") for path in store.glob(pattern)]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(store).encode() in path.read_bytes():
                found.append(str(path))
        except OSError:
            continue  # it ended
    return found


def is_soon(condition: Any) -> bool:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return bool(condition())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM], ids=lambda number: number.name)
def test_a_run_that_is_ended_goes_on_where_it_was(project: RealProject, number: signal.Signals) -> None:
    process = begin(project)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if number is signal.SIGKILL else 130)
    if number is not signal.SIGKILL:
        assert is_soon(lambda: left(project) == []), left(project)
    assert set(table(project).values()) == {"pass"}
    assert left(project) == []


def test_ctrl_c_three_times_is_one_end(project: RealProject) -> None:
    process = begin(project)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert set(table(project).values()) == {"pass"}


def test_two_runs_at_once_come_to_the_same(project: RealProject) -> None:
    process = begin(project)
    mine = table(project)
    process.communicate(timeout=300)
    assert process.returncode == 0
    assert set(mine.values()) == {"pass"}
    assert table(project) == mine
    assert left(project) == []


def test_a_damaged_store_is_told_and_measured_again(project: RealProject) -> None:
    before = table(project)
    files = [path for path in (project.root / "results/store/folders").rglob("*") if path.is_file()]
    for path in files[::2]:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    finished = project.tfmatrix(*RUN, "--json")
    assert {name: record["status"] for name, record in finished.cells().items()} == before
    assert "is damaged: it is removed" in finished.stderr
    # What nobody needed any more was damaged, too: it is found by reading all of it, and gone then.
    project.tfmatrix("store", "verify")
    assert project.tfmatrix("store", "verify").code == 0


def test_a_full_disk_says_nothing_about_a_model(project: RealProject) -> None:
    if os.getuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    results = project.root / "results"
    results.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(results)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not let its root mount")
    try:
        finished = project.tfmatrix(*RUN, "--json")
        assert finished.code == 4, finished.stderr
        assert "itself failed" not in finished.stderr
        assert "No space left on device" in finished.stdout + finished.stderr
        subprocess.run(["mount", "-o", "remount,size=200m", str(results)], check=True)
        assert set(table(project).values()) == {"pass"}
    finally:
        subprocess.run(["umount", "-l", str(results)], check=True)


def test_a_folder_that_cannot_be_written_is_one_error_before_anything_starts(project: RealProject) -> None:
    (project.root / "results").write_text("a file")
    finished = project.tfmatrix(*RUN)
    assert finished.code == 4
    assert "cannot be written" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert "ready in" not in finished.stderr


def workers(project: RealProject) -> list[int]:
    """The processes of the project's workers: servers and jobs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:
            continue  # it ended
        if b"server.py" in command and str(project.root).encode() in command:
            found.append(int(path.parent.name))
    return found


def test_a_worker_that_is_killed_says_nothing_about_a_model(project: RealProject) -> None:
    process = begin(project)
    killed = workers(project)
    for number in killed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    _, said = process.communicate(timeout=300)
    assert killed
    assert process.returncode in (0, 4), said
    assert "itself failed" not in said
    assert set(table(project).values()) == {"pass"}
    assert left(project) == []


@pytest.mark.parametrize("keep", [0, 300])
def test_a_damaged_lock_is_one_error_before_anything_starts(project: RealProject, keep: int) -> None:
    lock = project.root / "locks" / f"{TENSORFLOW}.txt"
    lock.write_bytes(lock.read_bytes()[:keep])
    finished = project.tfmatrix(*RUN)
    assert finished.code == 2
    assert str(lock) in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (project.root / "results" / "runs").exists()


def test_an_index_that_is_not_reached_is_infrastructure(project: RealProject) -> None:
    (project.root / "locks" / f"{TENSORFLOW}.txt").unlink()
    nowhere = "http://127.0.0.1:9/simple"
    finished = project.tfmatrix(*RUN, UV_DEFAULT_INDEX=nowhere, UV_HTTP_TIMEOUT="2", UV_HTTP_RETRIES="0")
    assert finished.code == 4, finished.stderr
    assert "itself failed" not in finished.stderr
    assert "Traceback" not in finished.stderr
