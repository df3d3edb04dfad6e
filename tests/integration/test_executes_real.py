"""Planted code that runs while a model is loaded, or does not, on both sides of Keras 3."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_project import RealProject

pytestmark = pytest.mark.real
OLD, NEW = "2.15.1", "2.21.0"


def test_planted_code_is_seen_where_it_runs_and_only_there(tmp_path: Path) -> None:
    scenarios = ("_planted", "executes_lambda", "executes_function", "executes_graph")
    project = RealProject(tmp_path / "project", [OLD, NEW], scenarios, "pairs: ['*/*']\n")
    cells = project.tfmatrix("run", "--json", "--executor", "venv").cells()
    ran = {name for name, cell in cells.items() if "executes" in cell["failed_checks"]}
    assert ran == {
        # The default of Keras 2 and 3 for `.keras`, and of Keras 3 from 3.11.3 on for HDF5, is to refuse.
        f"executes_lambda/h5/{OLD}/{OLD}",
        f"executes_lambda/h5-unsafe/{OLD}/{OLD}",
        f"executes_lambda/h5-unsafe/{OLD}/{NEW}",
        f"executes_lambda/h5-unsafe/{NEW}/{NEW}",
        f"executes_lambda/keras-unsafe/{OLD}/{OLD}",
        f"executes_lambda/keras-unsafe/{NEW}/{NEW}",
        f"executes_lambda/savedmodel/{OLD}/{OLD}",
        *(f"executes_graph/tf-savedmodel-raw/{writer}/{reader}" for writer in (OLD, NEW) for reader in (OLD, NEW)),
        *(f"executes_graph/tf-savedmodel/{writer}/{OLD}" for writer in (OLD, NEW)),
    }
    for name in ran:
        assert cells[name]["status"] in ("drift", "load-error")
        assert cells[name]["remedies"] == []
    refused = cells[f"executes_lambda/keras/{NEW}/{NEW}"]
    assert refused["status"] == "load-error"
    assert refused["failed_checks"] == ["load"]
    assert refused["checks"]["executes"]["status"] == "pass"
