from __future__ import annotations

from dataclasses import replace

import pytest
from site_runs import records, write_run
from tfmatrix.core.status import Status
from tfmatrix.reports.site.grid import Grid
from tfmatrix.reports.site.health import problems

ENVIRONMENTS = ("2.12.1", "2.15.1", "2.16.2")


def found(tmp_path, change=lambda record: record, **changes):
    cells = [record for each in records("x", ENVIRONMENTS, 4) if (record := change(each))]
    run = write_run(tmp_path, environments=ENVIRONMENTS, scenarios=4, cells=cells, changes=changes)
    return {problem.kind: problem for problem in problems(Grid.of(run))}


def failing(record, kind, message, status=Status.LOAD_ERROR):
    return replace(record, status=status, error={"phase": "load", "type": kind, "message": message})


def test_a_whole_run_has_none(tmp_path):
    assert found(tmp_path) == {}


def test_an_environment_that_failed_is_named_with_its_reason(tmp_path):
    lost = found(
        tmp_path,
        lambda record: (
            failing(record, "InfrastructureError", "no wheel", Status.INFRA_ERROR)
            if "2.15.1" in (record.writer, record.reader)
            else record
        ),
    )
    assert lost["failed-environment"].environment == "2.15.1"
    assert "no wheel" in lost["failed-environment"].text


def test_an_empty_column_is_named(tmp_path):
    lost = found(tmp_path, lambda record: record if record.reader != "2.16.2" else None)
    assert lost["empty-column"].environment == "2.16.2"


def test_an_environment_without_a_cell_is_named(tmp_path):
    described = {name: {"packages": {}} for name in (*ENVIRONMENTS, "2.16.2+tf-keras")}
    assert "empty-column" in found(tmp_path / "a", environments=described)


@pytest.mark.parametrize(
    ("kind", "message", "suspected"),
    [
        ("ImportError", "libcuda.so.1: cannot open shared object file", True),
        ("OSError", "[Errno 28] No space left on device", True),
        ("ValueError", "File format not supported", False),
    ],
)
def test_a_column_that_fails_alike(tmp_path, kind, message, suspected):
    lost = found(tmp_path, lambda record: failing(record, kind, message) if record.reader == "2.16.2" else record)
    assert ("fails-alike" in lost) is suspected


def test_a_column_in_which_one_cell_passes_is_not_suspected(tmp_path):
    lost = found(
        tmp_path,
        lambda record: (
            failing(record, "OSError", "No space left on device")
            if record.reader == "2.12.1" and record.writer != "2.12.1"
            else record
        ),
    )
    assert "fails-alike" not in lost
