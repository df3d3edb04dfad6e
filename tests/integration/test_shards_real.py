"""Two machines' shards of a real run, joined, are the run that one machine would have made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tfmatrix.store.runs import read_run, read_run_folder

pytestmark = pytest.mark.real

SELECTION = ("run", "--executor", "venv", "--format", "h5", "--format", "weights-h5-legacy", "--quiet", "--no-remedies")
OF_A_MOMENT = ("run", "cached", "seconds", "key", "save", "load")


def told(record: dict) -> dict:
    return {name: value for name, value in record.items() if name not in OF_A_MOMENT}


def test_two_shards_joined_are_the_whole_run(real_project, tmp_path):
    project = real_project(["2.15.1", "2.21.0"], ["optimizer_state"])
    parts = []
    for number in (1, 2):
        done = project.tfmatrix(*SELECTION, "--shard", f"{number}/2", "--shard-group", "night")
        assert done.code in (0, 1), done.stderr
        parts.append({record.cell for record in read_run_folder(newest(project)).records})
        # Another machine: nothing that the first one measured is there.
        shutil.move(project.root / "results" / "store", tmp_path / f"store-{number}")
    assert not (project.root / "results" / "latest").exists()
    assert parts[0]
    assert parts[1]
    assert not parts[0] & parts[1]
    saves = [{tuple(cell.split("/")[:3:2]) for cell in part} for part in parts]
    assert not saves[0] & saves[1], "a scenario and writer are in one shard"

    assert project.tfmatrix("publish", "-o", str(tmp_path / "site")).code == 0
    joined = read_run(project.root / "results", "latest")
    assert joined.id == "night"

    whole = project.tfmatrix(*SELECTION, "--json")
    assert whole.code in (0, 1), whole.stderr
    expected = whole.cells()
    assert {record.cell: record.status.value for record in joined.records} == {
        cell: record["status"] for cell, record in expected.items()
    }
    for record in joined.records:
        assert told(json.loads(json.dumps(record.to_json()))) == told(expected[record.cell])


def newest(project) -> Path:
    return max((project.root / "results" / "runs").iterdir(), key=lambda path: path.stat().st_mtime)
