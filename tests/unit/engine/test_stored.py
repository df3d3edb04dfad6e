"""What the store lacks of a plan, with a project's own format, over a run whose workers are functions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeExecutor
from tfmatrix.core.selection import Selector
from tfmatrix.core.status import Status
from tfmatrix.engine.run import RunOptions, plan_project, run_project
from tfmatrix.engine.stored import Missing, missing
from tfmatrix.project.project import Project
from tfmatrix.store.runs import Run

MATRIX = """\
schema: 1
environments: [{image: "an/image:1", id: old}, {image: "an/image:2", id: new}]
formats: [h5, mine]
"""
SCENARIO = '''\
"""A model."""
import tensorflow as tf
def build_model(): return tf.keras.Sequential()
def inputs(rng): ...
'''
MINE = '''\
"""A project's own."""
from tfmatrix.worker.formats._promises import WEIGHTS
ID = "mine"
ARTIFACT = "m.mine"
MODELS = "keras"
SAVE = "write(model, PATH)"
LOAD = "model = read(PATH)"
LOADS = "keras"
LOADER = "read"
CHECKS = WEIGHTS
'''


def job(environment: str, job: dict[str, Any]) -> dict[str, Any]:
    """Everything comes back as it was saved."""
    folder = Path(job["folder"])
    (folder / "observation").mkdir(parents=True)
    np.savez(folder / "observation" / "arrays.npz", a0=np.ones((2, 2), "float32"))
    sections = ("weights", "optimizer", "config", "compile", "resume", "signatures", "control")
    document = {
        "schema": 1,
        "kind": "keras",
        "model_class": "Sequential",
        "outputs": {"": {"array": "a0", "dtype": "float32", "shape": [2, 2]}},
        **dict.fromkeys(sections),
        "notes": {},
    }
    (folder / "observation" / "observation.json").write_text(json.dumps(document))
    if job["kind"] == "save":
        (folder / "artifact").mkdir()
        (folder / "artifact" / job["format"]["artifact"]).write_text(job["format"]["save"])
    return {
        "status": "ok", "phase": None, "reason": None, "error": None, "warnings": [], "seconds": {},
        "artifact": job["kind"] == "save", "observation": True,
    }  # fmt: skip


@pytest.fixture
def executor(monkeypatch: pytest.MonkeyPatch) -> FakeExecutor:
    made = FakeExecutor(job=job)
    monkeypatch.setattr("tfmatrix.executors.choose.open_executor", lambda *_args, **_options: (made, "a fake"))
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {"matrix.yaml": MATRIX, "scenarios/dense.py": SCENARIO, "formats/mine.py": MINE}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run(root: Path) -> Run:
    return run_project(Project(root=root), options=RunOptions(quiet=True))[0]


def lacking(root: Path) -> Missing:
    project = Project(root=root)
    return missing(project, plan_project(project, None, Selector()))


def test_a_projects_own_format_is_measured_and_what_is_stored_is_known(root: Path, executor: FakeExecutor) -> None:
    before = lacking(root)
    assert (len(before.saves), before.loads) == (4, 8)
    finished = run(root)
    assert {record.status for record in finished.records} == {Status.PASS}
    assert {job["format"]["save"] for job in executor.jobs if job["kind"] == "save"} >= {"write(model, PATH)"}
    after = lacking(root)
    assert (after.saves, after.loads, list(after.cells()), after.executor) == ((), 0, [], "fake")
    sent = len(executor.jobs)
    assert all(record.cached for record in run(root).records)
    assert len(executor.jobs) == sent


def test_a_changed_call_is_measured_again_and_nothing_else(root: Path, executor: FakeExecutor) -> None:
    run(root)
    file = root / "formats" / "mine.py"
    file.write_text(MINE.replace('LOADER = "read"', "# why\nLOADER = 'reads'"))
    assert not lacking(root).loads
    file.write_text(MINE.replace("read(PATH)", "read(PATH, strict=True)"))
    found = lacking(root)
    assert not found.saves
    assert {cell.format for cell in found.cells()} == {"mine"}
    assert found.loads == len(list(found.cells())) == 4
    again = run(root)
    assert {record.format for record in again.records if not record.cached} == {"mine"}
    file.write_text(MINE.replace("write(model, PATH)", "write(model, PATH, 1)"))
    found = lacking(root)
    assert {save.saver for save in found.saves} == {"mine"}
    assert {cell.format for cell in found.cells()} == {"mine"}


def test_what_another_environment_measured_does_not_count(root: Path, executor: FakeExecutor) -> None:
    run(root)
    (root / "results" / "runs").rename(root / "results" / "gone")
    assert lacking(root).loads == 8
