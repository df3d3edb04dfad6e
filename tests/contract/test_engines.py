"""What every engine promises to the client: each batch ends once, failures are told, and what is cancelled is gone.

Units are shell scripts named by what they do. Queues that cannot be had here run the real files' tasks on this machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_queue
import pytest
from needs import lacking
from tfmatrix.core.errors import InfrastructureError, UsageError
from tfmatrix.engine.engines import engines, open_engine
from tfmatrix.engine.engines._arrays import ArrayEngine
from tfmatrix.engine.engines.base import End, Engine, Sent, Setting
from tfmatrix.engine.engines.github import GitHub
from tfmatrix.engine.engines.kubernetes import Kubernetes, indexes
from tfmatrix.store.remote import Remote

UNIT = """#!/bin/sh
# unit.sh PLACE: what the batch's name says
place=$1
index=${SLURM_ARRAY_TASK_ID:-$JOB_COMPLETION_INDEX}
name=$(basename "$place" .json)
case $place in *{index}*)
  entry=$(cat "${place%\\{index\\}.json}$index.json")
  entry=${entry#*batches*: [\\"}
  name=${entry%%\\"*} ;;
esac
echo "$name" >> ROOT/begun
case $name in
  fails*) echo "no room left" >&2; exit 4 ;;
  dies*) kill -9 $$ ;;
  hangs*) sleep 7777 & sleep 7777 ;;
  slow*) sleep 0.3 ;;
esac
echo "$name" >> ROOT/done
"""


class Place:
    """An engine with two workers, and what its units did."""

    def __init__(self, root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.name = name
        self.remote = Remote((root / "store").as_uri())
        self.cluster: Any = None
        script = root / "unit.sh"
        script.write_text(UNIT.replace("ROOT", str(root)))
        script.chmod(0o755)
        fake_queue.install(root / "bin")
        # What a job of GitHub has installed.
        tfmatrix = root / "bin" / "tfmatrix"
        tfmatrix.write_text(f'#!/bin/sh\nexec {script} "${{2#file://}}"\n')
        tfmatrix.chmod(0o755)
        (root / "queue").mkdir()
        monkeypatch.setenv("PATH", f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("FAKE_QUEUE", str(root / "queue"))

        def arguments(batch: str, url: str, *, python: str | None = None) -> list[str]:
            return [str(script), f"{root / 'store'}/{batch}"]

        for module in ("local", "dask", "slurm", "kubernetes"):
            monkeypatch.setattr(f"tfmatrix.engine.engines.{module}.unit_arguments", arguments)

    def open(self, minutes: str = "60") -> Engine:
        """`minutes` that a batch may take at most."""
        options = {"time": minutes} if self.name == "local" else {}
        setting = Setting(
            remote=self.remote, run="20261122T1904Z-ab", folder=self.root / "engine", workers=2, options=options
        )
        match self.name:
            case "dask":
                return self._dask(60 * float(minutes))
            case "slurm":
                return open_engine("slurm", replace(setting, options={"poll": "0.05", "partition": "long"}))
            case "github":
                # Not `open_engine`, for the same reason as below.
                queue = GitHub(self.remote.url, 2, {}, 60.0, pause=0.05)
                names = {"name": "github", "run": setting.run, "remote": self.remote}
                return ArrayEngine(queue, workers=2, longest=1800.0, poll=0.05, most=256, **names)
            case "kubernetes":
                # Not `open_engine`, which refuses a folder: pods have files of their own.
                options = {"image": "registry/tfmatrix@sha256:0", "secret": "bucket", "cache": "environments"}
                queue = Kubernetes(self.remote.url, setting.run, setting.folder, 2, options, 60.0)
                return ArrayEngine(
                    queue, name="kubernetes", remote=self.remote, run=setting.run, workers=2, longest=30.0, poll=0.05
                )
        return open_engine(self.name, setting)

    def _dask(self, limit: float) -> Engine:
        try:
            from distributed import Client, LocalCluster
        except ImportError:
            lacking("distributed is not installed")
        from tfmatrix.engine.engines.dask import DaskEngine

        self.cluster = LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None, memory_limit=0
        )
        return DaskEngine(Client(self.cluster, set_as_default=False), self.remote.url, limit=limit, owns=True)

    def told(self, file: str) -> list[str]:
        path = self.root / file
        return sorted(path.read_text().split()) if path.exists() else []

    def living(self) -> list[int]:
        """Processes of units."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.root / "unit.sh").encode() in line or b"sleep\x007777" in line:
                found.append(int(entry.name))
        return found


@pytest.fixture(params=engines())
def place(request, tmp_path, monkeypatch) -> Iterator[Place]:
    found = Place(tmp_path, request.param, monkeypatch)
    yield found
    if found.cluster is not None:
        found.cluster.close()


def sent(*names: str) -> list[Sent]:
    return [Sent(name=name, environments=("2.15.1",), seconds=1.0) for name in names]


def until_over(engine: Engine, count: int) -> list[End]:
    ends: list[End] = []
    deadline = time.monotonic() + 120
    while len(ends) < count and time.monotonic() < deadline:
        ends += engine.ends(0.5)
    return ends


def is_empty_soon(found: Callable[[], list[int]]) -> bool:
    """What was killed is listed until it was waited for."""
    deadline = time.monotonic() + 60
    while found() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not found()


def test_batches_end_once_and_failures_are_told(place):
    engine = place.open()
    try:
        assert engine.name == place.name
        assert engine.workers() == 2
        assert engine.ends(0.0) == []
        names = ["slow-1", "fails-1", "well-1", "dies-1", "well-2"]
        engine.submit(sent(*names))
        ends = until_over(engine, 5)
        assert sorted(each.name for each in ends) == sorted(names)
        failures = {each.name: each.failure for each in ends}
        assert [failures[name] for name in ("slow-1", "well-1", "well-2")] == ["", "", ""]
        assert failures["fails-1"]
        assert failures["dies-1"]
        if place.name in ("local", "dask"):
            assert failures["fails-1"] == "exit code 4: no room left"
            assert failures["dies-1"] == "killed by SIGKILL"
        if place.name == "github":
            assert "unit 1: failure, https://" in failures["fails-1"]
        if place.name == "slurm":
            assert "FAILED, exit code 4:0" in failures["fails-1"]
        assert engine.ends(0.2) == []
        # The engine itself begins nothing again: that is the client's.
        assert place.told("begun") == sorted(names)
        engine.submit(sent("fails-1", "well-3"))
        assert sorted(each.name for each in until_over(engine, 2)) == ["fails-1", "well-3"]
        assert place.told("done") == ["slow-1", "well-1", "well-2", "well-3"]
    finally:
        engine.cancel()
        engine.close()


def test_what_is_cancelled_is_gone(place):
    engine = place.open()
    try:
        engine.submit(sent("hangs-1", "hangs-2", "hangs-3"))
        deadline = time.monotonic() + 60
        while len(place.told("begun")) < 2 and time.monotonic() < deadline:
            engine.ends(0.1)
        assert place.living()
    finally:
        engine.cancel()
        engine.cancel()
        engine.close()
    assert is_empty_soon(place.living)
    assert "hangs-3" not in place.told("begun")
    assert not place.told("done")


@pytest.mark.parametrize("place", ["local", "dask"], indirect=True)
def test_a_unit_that_hangs_is_ended_at_its_limit(place):
    """Queues end their tasks themselves."""
    engine = place.open(minutes="0.1")
    try:
        assert engine.longest == pytest.approx(3.0), "a batch that is expected to be over at its limit is none"
        engine.submit(sent("hangs-1", "well-1"))
        failures = {each.name: each.failure for each in until_over(engine, 2)}
        assert failures == {"hangs-1": "it took over 6 s, and was ended", "well-1": ""}
        assert is_empty_soon(place.living)
    finally:
        engine.cancel()
        engine.close()


def test_what_cannot_be_is_one_error(tmp_path, monkeypatch):
    setting = Setting(remote=Remote(tmp_path.as_uri()), run="x", folder=tmp_path)
    with pytest.raises(UsageError, match="unknown engine 'dusk'"):
        open_engine("dusk", setting)
    with pytest.raises(UsageError, match="no option 'partion'") as error:
        open_engine("slurm", replace(setting, options={"partion": "x"}))
    assert "partition" in error.value.fix
    with pytest.raises(UsageError, match="needs a scheduler"):
        open_engine("dask", setting)
    with pytest.raises(UsageError, match="wait=soon"):
        open_engine("dask", replace(setting, options={"scheduler": "tcp://127.0.0.1:1", "wait": "soon"}))
    with pytest.raises(UsageError, match="needs an image"):
        open_engine("kubernetes", setting)
    with pytest.raises(UsageError, match="pods have files of their own"):
        open_engine("kubernetes", replace(setting, options={"image": "x"}))
    with pytest.raises(UsageError, match="jobs have files of their own"):
        open_engine("github", setting)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfrastructureError, match="needs sbatch"):
        open_engine("slurm", setting)
    with pytest.raises(InfrastructureError, match="needs gh"):
        open_engine("github", replace(setting, remote=Remote("s3://bucket/tfmatrix")))


@pytest.mark.parametrize("place", ["github"], indirect=True)
def test_what_does_not_fit_into_a_matrix_is_joined(place):
    """A matrix of GitHub has 256 jobs at most."""
    engine = place.open()
    names = [f"well-{number:03}" for number in range(600)]
    started: list[int] = []
    engine._queue.start = lambda batch, number, count: started.append(count) or "7"
    engine._queue.look = lambda job: ([0], {255: "lost"})
    engine.submit(sent(*names))
    assert started == [256]
    entries = [place.remote.read_json(f"arrays/20261122T1904Z-ab/1/{index}.json")["batches"] for index in range(256)]
    assert [name for entry in entries for name in entry] == names, "nothing dropped, neighbours together"
    assert {len(entry) for entry in entries} == {2, 3}
    ends = engine.ends(1.0)
    assert [(each.name, each.failure) for each in ends] == [
        *((name, "lost") for name in entries[255]),
        *((name, "") for name in entries[0]),
    ]


@pytest.mark.parametrize("place", ["github"], indirect=True)
def test_a_run_of_github_that_is_over_has_no_open_jobs(place):
    """One that was cancelled while its jobs waited has none for them."""
    engine = place.open()
    engine.submit(sent("hangs-1", "hangs-2", "hangs-3"))
    fake_queue.end("1000")
    failures = {each.name: each.failure for each in until_over(engine, 3)}
    assert set(failures) == {"hangs-1", "hangs-2", "hangs-3"}
    assert all("unit" in why and "cancelled" in why for why in failures.values())
    engine._queue._is_over = lambda job: True
    assert engine._queue.look("1000")[1][3] == "github: run 1000 is over without a job for entry 3"


def test_the_indexes_of_a_job():
    assert indexes("") == []
    assert indexes("0,3-5,9") == [0, 3, 4, 5, 9]
