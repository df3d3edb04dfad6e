"""Machines of an engine that fail under a run of real TensorFlow: its table is that of an undisturbed local run.

A cluster of Dask with two worker processes on this machine. Slow: it is run with `pytest --slow`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from needs import lacking
from real_project import DENSE, RealProject, statuses, wait_until

pytestmark = [pytest.mark.real, pytest.mark.slow]

RUN = ("run", "--executor", "venv", "--no-remedies", "--json")
WORKER_GONE = "30s"
"""After which silence the scheduler gives a worker up; five minutes where nobody says so."""


class Cluster:
    """A scheduler and two workers, each without a nanny, so that what is killed stays dead."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environ = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": WORKER_GONE}
        self.workers: list[subprocess.Popen[bytes]] = []
        self.begin()

    def begin(self) -> None:
        told = self._folder / f"scheduler-{time.monotonic_ns()}.json"
        self.scheduler = self._start("dask_scheduler", "--port", "0", "--scheduler-file", str(told))
        deadline = time.monotonic() + 60
        while not told.exists() or not told.read_text().strip().endswith("}"):
            assert time.monotonic() < deadline, "no scheduler within a minute"
            time.sleep(0.1)
        self.address = json.loads(told.read_text())["address"]
        self.replace_workers()

    def replace_workers(self, **environ: str) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        options = ("--nthreads", "1", "--memory-limit", "4GiB", "--no-nanny", "--local-directory", str(self._folder))
        self.workers = [self._start("dask_worker", self.address, *options, **environ) for _ in range(2)]

    def _start(self, module: str, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *arguments, "--no-dashboard"],
            env={**self._environ, **environ},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


class Site:
    """A project, a cluster, a store of its own, and the table that an undisturbed local run came to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cluster = Cluster(root)
        self.store = root / "shared"
        self.project = self._project("project")
        undisturbed = self._project("local").tfmatrix(*RUN)
        assert undisturbed.code == 0, undisturbed.stderr
        self.table = {cell: record["status"] for cell, record in undisturbed.cells().items()}

    def _project(self, name: str) -> RealProject:
        made = RealProject(self.root / name, ["2.15.1"], (), "defaults: {timeout: 60}\n")
        for scenario in "abcd":
            (made.root / "scenarios" / f"{scenario}.py").write_text(DENSE)
        return made

    def command(self, *more: str) -> list[str]:
        engine = ("--engine", "dask", "--scheduler", self.cluster.address, "--store", self.store.as_uri())
        return self.project.command(*RUN, *engine, *more)

    def begin(self, *more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(self.command(*more), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def units(self) -> list[int]:
        """Processes that do a batch of this site, the units first; not of containers."""
        return self._processes(b"\0work\0", self.store.as_uri().encode())

    def _processes(self, *words: bytes) -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                line = (path / "cmdline").read_bytes()
            except OSError:
                continue  # it ended
            if all(word in line for word in words):
                found.append(int(path.name))
        return sorted(found)

    def wait_for_a_unit(self, process: subprocess.Popen[str]) -> int:
        """One that measures: the first outcome is in the store."""
        wait_until(lambda: self.outcomes() and self.units(), process)
        return self.units()[0]

    def outcomes(self) -> list[Path]:
        return [path for path in self.store.glob("outcomes/**/*") if path.is_file()]

    def came_to(self, process: subprocess.Popen[str]) -> str:
        """Waits for the end of a run whose table must be the undisturbed one; returns what it said."""
        answer, said = process.communicate(timeout=500)
        assert process.returncode == 0, said
        assert statuses(answer) == self.table
        deadline = time.monotonic() + 60
        while self.left() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert self.left() == []
        return said

    def left(self) -> list[str]:
        """Units and what they started."""
        return [str(number) for number in (*self.units(), *self._processes(b"worker/server.py", b"unit-"))]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    try:
        import distributed  # noqa: F401
    except ImportError:
        lacking("distributed is not installed")
    made = Site(tmp_path)
    yield made
    made.cluster.close()


def test_undisturbed_and_again(site: Site) -> None:
    site.came_to(site.begin())
    before = {path: path.stat().st_mtime_ns for path in site.outcomes()}
    site.came_to(site.begin())
    assert {path: path.stat().st_mtime_ns for path in site.outcomes()} == before, "measured again"


def test_a_unit_that_is_killed_begins_again(site: Site) -> None:
    process = site.begin()
    os.kill(site.wait_for_a_unit(process), signal.SIGKILL)
    assert "begins again: killed by SIGKILL" in site.came_to(process)


def test_a_worker_that_is_killed(site: Site) -> None:
    process = site.begin()
    site.wait_for_a_unit(process)
    site.cluster.workers[0].kill()
    site.came_to(process)


def test_a_worker_that_hangs(site: Site) -> None:
    process = site.begin()
    site.wait_for_a_unit(process)
    site.cluster.workers[0].send_signal(signal.SIGSTOP)
    answer, said = process.communicate(timeout=500)
    assert process.returncode == 0, said
    assert statuses(answer) == site.table


def test_a_unit_that_hangs(site: Site) -> None:
    process = site.begin("--engine-option", "time=1")
    os.kill(site.wait_for_a_unit(process), signal.SIGSTOP)
    assert "begins again: it took over 60 s, and was ended" in site.came_to(process)


def test_a_worker_with_a_full_disk(site: Site) -> None:
    """Everything that a unit writes on its machine lies below the cache."""
    full = site.root / "full"
    full.mkdir()
    if (
        os.getuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(full)], capture_output=True, check=False
        ).returncode
    ):
        lacking("a file system cannot be mounted here")
    try:
        site.cluster.replace_workers(TFMATRIX_CACHE=str(full))
        answer, said = site.begin().communicate(timeout=500)
        assert set(statuses(answer).values()) == {"infra-error"}
        assert "No space left" in said
        assert "Traceback" not in said
    finally:
        site.cluster.replace_workers()
        subprocess.run(["umount", str(full)], check=True)
    site.came_to(site.begin())


def test_the_scheduler_is_killed(site: Site) -> None:
    process = site.begin()
    site.wait_for_a_unit(process)
    site.cluster.scheduler.kill()
    _, said = process.communicate(timeout=300)
    assert process.returncode == 4, said
    assert "the scheduler of dask is lost" in said
    assert "Traceback" not in said
    site.cluster.close()
    site.cluster.begin()
    site.came_to(site.begin())


def test_the_client_is_killed_and_started_again(site: Site) -> None:
    process = site.begin()
    site.wait_for_a_unit(process)
    process.kill()
    process.communicate(timeout=60)
    site.came_to(site.begin())


def test_two_clients_do_the_same_at_once(site: Site) -> None:
    first = site.begin()
    site.came_to(site.begin())
    answer, said = first.communicate(timeout=500)
    assert first.returncode == 0, said
    assert statuses(answer) == site.table


def test_what_is_lost_three_times_is_infrastructure(site: Site) -> None:
    process = site.begin()
    killed = 0
    while process.poll() is None:
        for number in site.units() if site.outcomes() else ():
            os.kill(number, signal.SIGKILL)
            killed += 1
        time.sleep(0.05)
    answer, said = process.communicate(timeout=60)
    assert killed > 3
    assert process.returncode == 4, said
    found = statuses(answer)
    assert set(found.values()) <= {"pass", "infra-error"}
    assert "infra-error" in found.values()
    site.came_to(site.begin())
