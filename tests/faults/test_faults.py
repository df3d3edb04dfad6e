"""Machines that fail under a run: what it comes to is the undisturbed table, or infrastructure, and nothing stays."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import docker.errors
import pytest
from needs import lacking
from real_project import DENSE, RealProject
from tfmatrix.cli import run_command
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root
from tfmatrix.executors import images
from tfmatrix.executors.docker import DockerExecutor
from tfmatrix.executors.engine import EngineUnavailableError, connect

pytestmark = pytest.mark.real
TENSORFLOW = "2.15.1"
RUN = ("run", "--executor", "venv", "--jobs", "1", "--no-remedies")
DOCKER = ("run", "--executor", "docker", "--jobs", "1", "--no-remedies")


@pytest.fixture
def project(tmp_path: Path) -> RealProject:
    made = RealProject(tmp_path / "project", [TENSORFLOW], (), "defaults: {timeout: 60}\n")
    for name in ("a", "b"):
        (made.root / "scenarios" / f"{name}.py").write_text(DENSE)
    return made


def table(project: RealProject, *command: str, **environ: str) -> dict[str, Any]:
    """Cells and their statuses, of a run that must end."""
    finished = project.tfmatrix(*(command or RUN), "--json", **environ)
    assert finished.code in (0, 1), finished.stderr
    return {name: record["status"] for name, record in finished.cells().items()}


def newest(project: RealProject) -> Path:
    return project.root / "results" / "runs" / (project.root / "results" / "latest").read_text().strip()


def begin(project: RealProject, *command: str) -> subprocess.Popen[str]:
    """A run in a process of its own, of which the first cell is there."""
    arguments = project.command(*(command or RUN))
    process = subprocess.Popen(arguments, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 300
    while not list((project.root / "results").glob("store/outcomes/*/*.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no cell within five minutes"
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


# With containers


@pytest.fixture
def engine() -> Any:
    try:
        return connect().client
    except EngineUnavailableError as error:
        lacking(error.what)


def containers(engine: Any, project: RealProject) -> list[Any]:
    """Those that see the project's store, whatever they are called."""
    store = str(project.root / "results" / "store")
    return [
        each
        for each in engine.containers(all=True)
        if any(str(mount.get("Source", "")).startswith(store) for mount in each.get("Mounts", ()))
    ]


@pytest.mark.docker
def test_a_container_that_is_killed_says_nothing_about_a_model(project: RealProject, engine: Any) -> None:
    process = begin(project, *DOCKER)
    killed = containers(engine, project)
    for each in killed:
        engine.kill(each["Id"])
    _, said = process.communicate(timeout=300)
    assert killed
    assert process.returncode in (0, 4), said
    assert "itself failed" not in said
    assert set(table(project, *DOCKER).values()) == {"pass"}
    assert left(project) == []
    assert containers(engine, project) == []


@pytest.mark.docker
def test_what_a_killed_run_left_is_swept_by_the_next(project: RealProject, engine: Any) -> None:
    process = begin(project, *DOCKER)
    process.kill()
    process.communicate(timeout=60)
    assert containers(engine, project) != []
    assert set(table(project, *DOCKER).values()) == {"pass"}
    assert left(project) == []
    assert containers(engine, project) == []


@pytest.mark.docker
def test_an_image_that_is_gone_says_nothing_about_a_model(
    project: RealProject, engine: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Removed after the environment was provided, before its worker starts."""
    # One of this test alone: other runs of this machine use theirs.
    monkeypatch.setattr(images, "USERLAND_REPOSITORY", "tfmatrix-test/host-userland")
    settings = "defaults: {timeout: 60, docker: {host_userland: always}}\n"
    matrix = project.root / "matrix.yaml"
    matrix.write_text(matrix.read_text().replace("defaults: {timeout: 60}\n", settings))
    removed = []

    def start(self: Any, prepared: Any, mounts: Any, **options: Any) -> Any:
        with contextlib.suppress(docker.errors.ImageNotFound):
            engine.remove_image(prepared.image, force=True)
            removed.append(prepared.image)
        return started(self, prepared, mounts, **options)

    started = DockerExecutor.start
    arguments = [*DOCKER, "--json", "-C", str(project.root)]
    try:
        with monkeypatch.context() as patched:
            patched.setattr(DockerExecutor, "start", start)
            code = run_command(arguments)
        said = capsys.readouterr()
        assert len(removed) == 1
        assert removed[0].startswith("tfmatrix-test/")
        assert code == 4, said.err
        lost = json.loads(said.out)["cells"]
        assert {each["status"] for each in lost} == {"infra-error"}
        assert all("o such image" in each["error"]["message"] for each in lost), lost[0]["error"]
        assert "itself failed" not in said.err
        assert "Traceback" not in said.err
        # The next run makes it again.
        assert run_command(arguments) == 0
        cells = json.loads(capsys.readouterr().out)["cells"]
        assert {each["status"] for each in cells} == {"pass"}
        assert left(project) == []
        assert containers(engine, project) == []
    finally:
        with contextlib.suppress(docker.errors.ImageNotFound):
            engine.remove_image(removed[0], force=True)


# What was written, damaged


def spoil(path: Path) -> None:
    """Half of the file, and then something else."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"\0{[garbage")


def test_damaged_outcomes_are_told_and_measured_again(project: RealProject) -> None:
    before = table(project)
    outcomes = sorted((project.root / "results/store/outcomes").rglob("*.json"))
    for path in outcomes:
        spoil(path)
    finished = project.tfmatrix(*RUN, "--json")
    assert {name: record["status"] for name, record in finished.cells().items()} == before
    assert not any(record["cached"] for record in finished.cells().values())
    assert "itself failed" not in finished.stderr
    # What nobody needed any more is found by reading all of it, and gone then.
    project.tfmatrix("store", "verify")
    assert project.tfmatrix("store", "verify").code == 0


@pytest.mark.parametrize("name", ["run.json", "cells.jsonl"])
def test_a_damaged_run_is_one_error_and_the_next_is_as_before(project: RealProject, name: str) -> None:
    before = table(project)
    spoil(newest(project) / name)
    told = project.tfmatrix("report")
    assert told.code == 2, told.stdout + told.stderr
    assert name in told.stderr
    assert "Traceback" not in told.stderr
    assert "itself failed" not in told.stderr
    assert table(project) == before
    assert project.tfmatrix("report").code == 0


def test_a_damaged_observation_is_told_and_measured_again(project: RealProject) -> None:
    before = table(project)
    for path in (project.root / "results/store/folders").rglob("observation.json"):
        spoil(path)
    # What is compared is in the store: only what looks at the models themselves reads them again.
    for path in (project.root / "results/store/outcomes").rglob("*.json"):
        if '"checks"' in path.read_text():
            path.unlink()
    finished = project.tfmatrix(*RUN, "--json")
    assert {name: record["status"] for name, record in finished.cells().items()} == before
    assert "is damaged" in finished.stderr


def test_a_clock_that_is_set_back_changes_nothing(project: RealProject) -> None:
    before = table(project)
    later = time.time() + 40 * 86400
    for path in (project.root / "results").rglob("*"):
        os.utime(path, (later, later), follow_symlinks=False)
    finished = project.tfmatrix(*RUN, "--json")
    assert {name: record["status"] for name, record in finished.cells().items()} == before
    assert all(record["cached"] for record in finished.cells().values())
    assert project.tfmatrix("report").code == 0
    assert left(project) == []


def test_a_half_provided_environment_is_provided_anew(project: RealProject, tmp_path: Path) -> None:
    real = EnvironmentCache(root=default_cache_root())
    cache = tmp_path / "cache"
    place = next(each.folder for each in real.list_environments() if each.environment_id == TENSORFLOW)
    half = cache / "envs" / place.name
    # The beginning of an installation that was killed: links to some of the files, and no word that it is whole.
    (half / "lib").mkdir(parents=True)
    shutil.copy(place / "pyvenv.cfg", half)
    (cache / "uv").symlink_to(real.downloads)
    assert set(table(project, TFMATRIX_CACHE=str(cache)).values()) == {"pass"}
    assert left(project) == []
