"""The scripts of `tfmatrix reproduce`, run by hand, show what the run recorded: the same error, the same figures."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from real_project import RealProject
from tfmatrix.core.environment import Environment
from tfmatrix.envs.lock import read_lock
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root, environment_python

pytestmark = pytest.mark.real
OLD, NEW = "2.15.1", "2.21.0"

CELLS = {
    f"optimizer_state/h5/{OLD}/{NEW}": "load-error",
    f"lambda_layer/keras/{OLD}/{NEW}": "load-error",
    f"custom_layer_raw_variable/h5/{OLD}/{OLD}": "pass",
    f"tf_module/tf-savedmodel-raw/{OLD}/{NEW}": "pass",
    f"dense/weights-h5/{OLD}/{NEW}": "pass",
    f"dropout/keras/{NEW}/{NEW}": "pass",
    f"functional_two_inputs/export/{NEW}/{OLD}": "pass",
    f"dense/checkpoint/{OLD}/{NEW}": "drift",
    f"optimizer_state/savedmodel/{OLD}/{OLD}": "drift",
    f"compile_arguments/keras/{NEW}/{NEW}": "drift",
}


@dataclass(frozen=True)
class Measured:
    """A run over those cells, and the interpreters that it used."""

    project: RealProject
    records: dict[str, dict[str, Any]]
    pythons: dict[str, Path]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    scenarios = {cell.split("/")[0] for cell in CELLS}
    project = RealProject(tmp_path_factory.mktemp("reproduce") / "project", [OLD, NEW], sorted(scenarios))
    only = [part for cell in CELLS for part in ("--only", cell)]
    finished = project.tfmatrix("run", "--json", "--executor", "venv", *only)
    assert finished.code in (0, 1), finished.stderr
    # The latest used come first: those of this run.
    listed = EnvironmentCache(root=default_cache_root()).list_environments()
    provided = {found.lock: found.folder for found in reversed(listed)}
    pythons = {}
    for name in (OLD, NEW):
        lock = read_lock(project.root / "locks", Environment(id=name, tensorflow=name, python="3.11"))
        assert lock is not None
        pythons[name] = environment_python(provided[lock.digest])
    return Measured(project, finished.cells(), pythons)


def run(script: Path, python: Path) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    return subprocess.run(
        [python, "-W", "ignore", script.name],
        cwd=script.parent,
        env=variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("cell", CELLS)
def test_by_hand_the_scripts_show_the_same(measured, cell, tmp_path):
    record = measured.records[cell]
    assert record["status"] == CELLS[cell]
    folder = tmp_path / "report"
    written = measured.project.tfmatrix("reproduce", cell, "-o", str(folder))
    assert (written.code, written.stdout) == (0, f"{folder}\n"), written.stderr

    saved = run(folder / "save.py", measured.pythons[record["writer"]])
    assert saved.returncode == 0, saved.stderr
    loaded = run(folder / "load.py", measured.pythons[record["reader"]])
    differences = [float(text) for text in re.findall(r"max abs difference (\S+)", loaded.stdout)]
    match record["status"]:
        case "load-error":
            first = record["error"]["message"].split("\n")[0][:60]
            assert loaded.returncode == 1
            assert f"{record['error']['type']}: {first}" in loaded.stderr
        case "pass":
            assert loaded.returncode == 0, loaded.stderr
            assert set(differences) == {0.0}
            assert "is not there" not in loaded.stdout
            losses = losses_of(loaded.stdout)
            assert losses.get("loaded model") == losses.get("saved model")
        case "drift":
            assert loaded.returncode == 0, loaded.stderr
            check_drift(record, loaded.stdout, differences)


def check_drift(record: dict[str, Any], stdout: str, differences: list[float]) -> None:
    checks = record["checks"]
    if {"outputs", "weights"} & set(record["failed_checks"]):
        assert max(differences) > 1e-3
    if "optimizer" in record["failed_checks"]:
        optimizer = checks["optimizer"]
        before, after = optimizer["iterations_before"], optimizer["iterations_after"]
        assert f"optimizer: {after} iterations, were {before}" in stdout
        assert f"optimizer: {optimizer['identical']} of {optimizer['slots']} slot variables" in stdout
    if "resume" in record["failed_checks"]:
        figures = losses_of(stdout)
        resume = checks["resume"]
        assert figures["saved model"] == pytest.approx(resume["writer_losses"], rel=1e-6)
        assert figures["with a new optimizer"] == pytest.approx(resume["fresh_losses"], rel=1e-6)
        if "weights" not in record["failed_checks"]:
            assert figures["loaded model"] == pytest.approx(resume["losses"], rel=1e-6)


def losses_of(stdout: str) -> dict[str, list[float]]:
    """The figures of the training steps, by what stands before them."""
    return {name: ast.literal_eval(figures) for name, figures in re.findall(r"  ([\w ]+): +(\[.*\])", stdout)}
