"""What is measured, of either kind: its jobs, and what a save that failed means for its cells."""

from __future__ import annotations

from pathlib import Path

import pytest
from tfmatrix.core.ids import CellId
from tfmatrix.core.outcome import Outcome
from tfmatrix.core.scenario import Scenario, Subject
from tfmatrix.engine.subjects import GivenFile, ScenarioFile
from tfmatrix.project.formats import own_formats

OLD, NEW = "2.15.1", "2.21.0"
OWN = CellId(scenario="m", format="h5", writer=OLD, reader=OLD)
OTHER = CellId(scenario="m", format="h5", writer=OLD, reader=NEW)
H5 = own_formats()["h5"]
FAILED = Outcome(status="error", phase="load", error={"type": "OSError", "message": "no HDF5", "traceback": ""})


@pytest.fixture
def scenario():
    about = Scenario(name="m", title="", description="", digest="d", formats=None, path="/s/m.py", has_training=False)
    return ScenarioFile(about=about)


@pytest.fixture
def given():
    return GivenFile(
        about=Subject(name="m", title="", description="", digest="d", formats=("h5",)),
        path=Path("/store/m.h5"),
        artifact={"name": "m.h5", "kind": "hdf5", "bytes": 3, "digest": "f"},
        loader=H5,
        facts={"file": "m.h5"},
    )


def test_the_jobs_of_a_scenario(scenario):
    assert scenario.save_job(H5) == {"kind": "save", "format": H5.to_job(), "scenario": Path("/s/m.py")}
    assert scenario.load_code() == {"scenario": Path("/s/m.py")}


def test_a_file_is_saved_already_and_brings_no_code(given):
    assert given.save_job(H5)["kind"] == "adopt"
    assert not given.has_code
    assert given.saved(Outcome(status="ok", observation="o")).artifact == given.artifact
    assert given.saved(FAILED) == FAILED


def test_a_scenario_that_was_not_saved_has_nothing_to_load(scenario):
    assert scenario.unsaved(OTHER, FAILED) == (FAILED, None)


def test_a_file_that_its_writer_cannot_load_fails_there_and_is_skipped_elsewhere(given):
    saved, loaded = given.unsaved(OWN, FAILED)
    assert (saved.status, saved.artifact, loaded) == ("ok", given.artifact, FAILED)
    _, loaded = given.unsaved(OTHER, FAILED)
    assert loaded is not None
    assert (loaded.status, loaded.reason) == (
        "skipped",
        f"there is nothing to compare with, because {OLD} cannot load the file itself: OSError: no HDF5",
    )


@pytest.mark.parametrize("status", ["infra", "skipped"])
def test_a_file_that_could_not_be_measured_says_nothing_of_the_writer(given, status):
    saved = Outcome(status=status, reason="no worker")
    assert given.unsaved(OWN, saved) == (saved, None)


def test_the_account_of_a_file_names_what_went_wrong(scenario, given):
    assert scenario.account(FAILED, None) is None
    assert given.account(FAILED, None) == {
        "file": "m.h5",
        "problem": {"phase": "load", "reason": None, "error": FAILED.error},
    }
