"""The real worker with a real TensorFlow behind the executors venv and docker: one save, one load, one sudden death."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import fake_mounts
from needs import lacking
from repository import ROOT
from tfmatrix.core.environment import Environment
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root
from tfmatrix.envs.uv import Uv
from tfmatrix.executors.base import Executor, Mounts, WorkerProcess
from tfmatrix.executors.choose import choose_executor
from tfmatrix.executors.engine import RUN_LABEL, EngineUnavailableError, connect
from tfmatrix.executors.supply import EnvironmentSupply
from tfmatrix.executors.venv import RUN_VARIABLE, marked_processes
from tfmatrix.project.config import Defaults
from tfmatrix.project.formats import own_formats

pytestmark = pytest.mark.real

LOCKS = ROOT / "locks"
H5 = own_formats()["h5"]
ENVIRONMENT = Environment(id="2.15.1", tensorflow="2.15.1", python="3.11")
SECONDS = 180.0

SCENARIO = '''
"""A dense layer."""
import tensorflow as tf

def build_model():
    model = tf.keras.Sequential([tf.keras.layers.Dense(2, input_shape=(3,))])
    model.compile("adam", "mse")
    return model

def inputs(rng):
    return rng.rand(4, 3).astype("float32")
'''

ENDLESS = SCENARIO.replace("    model = ", "    while True: pass\n    model = ")


def make(kind: str, run: str) -> Executor:
    cache = EnvironmentCache(root=default_cache_root())
    supply = EnvironmentSupply(locks=LOCKS, cache=cache, uv=Uv(cache=cache.downloads), say=print)
    executor, _ = choose_executor(kind, [ENVIRONMENT], defaults=Defaults(), supply=supply, say=print, run=run)
    return executor


def begin(executor: Executor, folder: Path, scenario: str) -> tuple[WorkerProcess, Mounts]:
    mounts = fake_mounts(folder)
    (mounts.scenarios / "scenario.py").write_text(scenario)
    return executor.start(executor.prepare(ENVIRONMENT), mounts), mounts


def save_job(worker: WorkerProcess, mounts: Mounts) -> dict[str, Any]:
    return {
        "kind": "save",
        "scenario": worker.to_worker(mounts.scenarios / "scenario.py"),
        "format": H5.to_job(),
        "seed": 0,
        "steps": 1,
    }


def send(worker: WorkerProcess, job: dict[str, Any]) -> Path:
    """Sends one job; returns the folder that it is given."""
    folder = worker.work / f"request-{job['kind']}"
    limits = {"timeout": 100, "memory": 2 << 30, "disk": 1 << 30}
    worker.send({"kind": "jobs", "jobs": [job], "folder": worker.to_worker(folder), **limits})
    return folder / "0"


def result(worker: WorkerProcess, job: dict[str, Any]) -> tuple[dict[str, Any], Path]:
    """What a job replies, and the folder with what it left."""
    folder = send(worker, job)
    events = [worker.receive(SECONDS) for _ in range(3)]
    assert [event["event"] for event in events] == ["started", "result", "ended"], events
    found: dict[str, Any] = events[1]["result"]
    return found, folder


@pytest.fixture(params=["venv", pytest.param("docker", marks=pytest.mark.docker)])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        try:
            connect()
        except EngineUnavailableError as error:
            lacking(error.what)
    return str(request.param)


@pytest.fixture
def executor(kind: str, tmp_path: Path) -> Iterator[Executor]:
    made = make(kind, f"real-{os.getpid()}-{tmp_path.name}")
    yield made
    made.sweep()


def test_a_model_is_saved_and_loaded(executor: Executor, tmp_path: Path) -> None:
    worker, mounts = begin(executor, tmp_path, SCENARIO)
    assert worker.hello["tensorflow"] == "2.15.1"
    assert worker.hello["start_method"] == "fork"
    saved, left = result(worker, save_job(worker, mounts))
    assert saved["status"] == "ok", saved
    assert (left / "artifact" / H5.artifact).read_bytes().startswith(b"\x89HDF")
    # A job sees the store and its own folder, never what another job left.
    kept = shutil.copytree(left, mounts.store / "kept")
    loaded, _ = result(
        worker,
        {
            **save_job(worker, mounts),
            "kind": "load",
            "remedies": [],
            "artifact": worker.to_worker(kept / "artifact" / H5.artifact),
            "reference": worker.to_worker(kept / "observation"),
        },
    )
    assert loaded["status"] == "ok", loaded
    worker.close()


def test_spawned_children_work_too(executor: Executor, tmp_path: Path) -> None:
    mounts = fake_mounts(tmp_path)
    (mounts.scenarios / "scenario.py").write_text(SCENARIO)
    worker = executor.start(executor.prepare(ENVIRONMENT), mounts, start_method="spawn")
    assert worker.hello["start_method"] == "spawn"
    assert result(worker, save_job(worker, mounts))[0]["status"] == "ok"
    worker.close()


def live(kind: str, run: str, folder: Path, ready: Any) -> None:
    """The life of a tfmatrix that will be killed while a job of its worker never ends."""
    worker, mounts = begin(make(kind, run), folder, ENDLESS)
    send(worker, save_job(worker, mounts))
    ready.put(worker.receive(SECONDS)["event"])
    time.sleep(600)


def test_nothing_goes_on_when_tfmatrix_is_killed_during_a_job(kind: str, tmp_path: Path) -> None:
    run = f"killed-{os.getpid()}-{tmp_path.name}"
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    process = context.Process(target=live, args=(kind, run, tmp_path, ready))
    process.start()
    assert ready.get(timeout=SECONDS) == "started"
    assert running(kind, run)
    process.kill()
    process.join()
    deadline = time.monotonic() + 20
    while running(kind, run) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not running(kind, run)
    if kind == "docker":
        make(kind, run).sweep()


def running(kind: str, run: str) -> list[Any]:
    if kind == "venv":
        if not sys.platform.startswith("linux"):
            pytest.skip("needs /proc")
        return list(marked_processes((RUN_VARIABLE, run)))
    found: list[Any] = connect().client.containers(filters={"label": f"{RUN_LABEL}={run}"})
    return found
