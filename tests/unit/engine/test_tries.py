"""Code that trains otherwise over fake workers: a switch is turned on both sides, and the drift is booked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import FakeExecutor
from observation_builder import retrained
from tfmatrix.core.environment import Environment
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.engine.execution import execute
from tfmatrix.engine.phase import Phase
from tfmatrix.engine.plan import make_plan
from tfmatrix.engine.progress import make_progress
from tfmatrix.engine.request import RunRequest
from tfmatrix.engine.subjects import ScenarioFile
from tfmatrix.project.config import Defaults, Selection
from tfmatrix.project.formats import own_formats
from tfmatrix.project.scenario import read_scenarios

OLD, NEW = "2.15.1", "2.21.0"
SCENARIO = '''"""A model."""
import tensorflow as tf
def build_model():
    return tf.keras.Sequential()
def inputs(rng): ...
'''
JIT, ONEDNN = "jit_compile=False", "TF_ENABLE_ONEDNN_OPTS=0"


class Laboratory:
    """One scenario whose reader ends elsewhere, unless `is_moved` says otherwise of an environment and its remedies."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "scenarios").mkdir()
        (root / "scenarios" / "model.py").write_text(SCENARIO)
        self.is_moved = lambda environment, remedies: environment == NEW
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.runs = 0

    def job(self, environment: str, job: dict[str, Any]) -> dict[str, Any]:
        remedies = tuple(job.get("remedies", ()))
        self.asked.append((environment, remedies))
        folder = Path(job["folder"])
        draft = retrained()
        if self.is_moved(environment, remedies):
            draft.course["first"]["weights_after"][0] += np.float32(0.02)
            draft.course["last"]["weights_after"][0] += np.float32(0.02)
        (folder / "observation").mkdir(parents=True)
        draft.write(folder / "observation")
        is_save = job["kind"] == "train"
        if is_save:
            (folder / "artifact").mkdir()
            (folder / "artifact" / job["format"]["artifact"]).write_bytes(b"weights")
        common = {"phase": None, "reason": None, "error": None, "warnings": [], "seconds": {"save": 0.1}}
        return {"status": "ok", **common, "artifact": is_save, "observation": True}

    def run(self, **changes: Any) -> CellRecord:
        (record,) = self.records(("code",), **changes)
        return record

    def records(self, formats: tuple[str, ...], **changes: Any) -> tuple[CellRecord, ...]:
        self.runs += 1
        scenarios = read_scenarios(self.root / "scenarios")
        environments = (Environment(id=OLD, tensorflow=OLD), Environment(id=NEW, tensorflow=NEW))
        selection = Selection(environments=environments, pairs=(f"{OLD}/{NEW}",), formats=formats)
        request = RunRequest(
            run_id=f"run-{self.runs}",
            plan=make_plan(selection, scenarios, formats=own_formats()),
            subjects={each.name: ScenarioFile(about=each) for each in scenarios},
            scenario_folder=self.root / "scenarios",
            results=self.root / "results",
            store=self.root / "store",
            defaults=Defaults(),
        )
        self.asked.clear()
        return execute(replace(request, **changes), FakeExecutor(job=self.job), make_progress(quiet=True)).records


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    return Laboratory(tmp_path)


def _switches(record: CellRecord) -> dict[str, str]:
    assert record.attribution is not None
    return {each["name"]: each["to"] for each in record.attribution["training"].get("switches", ())}


def test_what_goes_away_with_a_switch_on_both_sides_is_booked_to_it(laboratory: Laboratory) -> None:
    laboratory.is_moved = lambda environment, remedies: environment == NEW and "no_jit_compile" not in remedies
    record = laboratory.run()
    assert record.failed_checks == ("updates",)
    assert _switches(record) == {JIT: "switch", ONEDNN: "version"}
    assert record.attribution["training"]["by"] == ["switch"]
    assert {(NEW, ("no_jit_compile",)), (OLD, ("no_jit_compile",))} <= set(laboratory.asked)
    assert laboratory.asked.count((OLD, ())) == 2, "the save, and the old version without oneDNN"


def test_what_is_booked_once_is_booked_again_from_the_store(laboratory: Laboratory) -> None:
    first = laboratory.run()
    again = laboratory.run()
    assert (again.attribution, again.remedies) == (first.attribution, first.remedies)
    assert again.cached
    assert laboratory.asked == []
    assert laboratory.run(phase=Phase.TABLE).attribution == first.attribution


def test_where_the_writer_is_not_here_nothing_is_booked(laboratory: Laboratory) -> None:
    record = laboratory.run(has_writers=False)
    assert _switches(record) == {}
    assert [each["name"] for each in record.remedies] == [JIT, ONEDNN]


def test_what_cannot_be_trained_with_the_switch_off_is_not_booked(laboratory: Laboratory) -> None:
    job = laboratory.job

    def raises(environment: str, asked: dict[str, Any]) -> dict[str, Any]:
        if asked.get("remedies") and environment == OLD:
            error = {"type": "ValueError", "message": "no", "traceback": ""}
            rest = {"reason": None, "warnings": [], "seconds": {}, "artifact": False, "observation": False}
            return {"status": "error", "phase": "build", "error": error, **rest}
        return job(environment, asked)

    laboratory.job = raises
    assert _switches(laboratory.run()) == {ONEDNN: "version"}


def test_code_that_trains_the_same_is_no_format_to_save_in(laboratory: Laboratory) -> None:
    job = laboratory.job
    laboratory.is_moved = lambda environment, remedies: False

    def raises(environment: str, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["format"]["id"] == "code":
            return job(environment, asked)
        error = {"type": "NotImplementedError", "message": "no", "traceback": ""}
        rest = {"reason": None, "warnings": [], "seconds": {}, "artifact": False, "observation": False}
        return {"status": "error", "phase": "save", "error": error, **rest}

    laboratory.job = raises
    found = {record.format: record for record in laboratory.records(("h5", "code"))}
    assert (found["h5"].status, found["code"].status) == (Status.SAVE_ERROR, Status.PASS)
    assert (found["h5"].remedy, found["h5"].remedies) == (None, ())


def test_a_switch_that_moves_the_old_version_to_where_the_new_one_is(laboratory: Laboratory) -> None:
    laboratory.is_moved = lambda environment, remedies: environment == NEW or "no_jit_compile" in remedies
    record = laboratory.run()
    assert _switches(record) == {JIT: "switch", ONEDNN: "version"}
    found = {each["name"]: each for each in record.attribution["training"]["switches"]}[JIT]
    assert (found["changes_old"], found["changes_new"]) == (True, False)
