"""The whole way, with real TensorFlow on both sides of Keras 3: in containers, without them, and from the store."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest
from real_project import ROOT

pytestmark = pytest.mark.real
OLD, NEW = "2.15.1", "2.21.0"
UNREACHABLE = "unix:///nonexistent"

EXPECTED = {
    # Measured by hand, with plain scripts: see docs/claims.md.
    f"optimizer_state/keras/{OLD}/{OLD}": "pass",
    f"optimizer_state/keras/{NEW}/{NEW}": "pass",
    f"optimizer_state/h5/{OLD}/{OLD}": "pass",
    f"optimizer_state/h5/{NEW}/{OLD}": "load-error",
    f"optimizer_state/savedmodel/{OLD}/{OLD}": "drift",
    f"optimizer_state/savedmodel/{OLD}/{NEW}": "load-error",
    f"optimizer_state/savedmodel/{NEW}/{NEW}": "unsupported",
    f"tf_module/tf-savedmodel-raw/{OLD}/{NEW}": "pass",
    f"tf_module/tf-savedmodel-raw/{NEW}/{OLD}": "pass",
}
FORMATS = ("h5", "keras", "savedmodel", "tf-savedmodel-raw")


def selected() -> list[str]:
    return [part for name in FORMATS for part in ("--format", name)]


def check(cells: dict[str, dict]) -> None:
    assert {cell: cells[cell]["status"] for cell in EXPECTED} == EXPECTED
    lost = cells[f"optimizer_state/savedmodel/{OLD}/{OLD}"]
    assert lost["failed_checks"] == ["optimizer", "resume"]
    assert lost["checks"]["outputs"]["max_abs"] == 0
    refused = cells[f"optimizer_state/savedmodel/{OLD}/{NEW}"]
    assert refused["error"]["type"] == "ValueError"
    assert "Keras 3 only supports" in refused["error"]["message"]
    assert refused["error"]["traceback"].startswith("Traceback")
    assert not [cell for cell, record in cells.items() if record["status"] == "infra-error"]


@pytest.mark.docker
def test_in_containers_then_from_the_store(engine, real_project):
    project = real_project([OLD, NEW], ["optimizer_state", "tf_module"])
    first = project.tfmatrix("run", "--json", "--executor", "docker", *selected())
    assert first.code == 1, first.stderr
    check(first.cells())
    run = json.loads(first.stdout)["run"]
    assert run["executor"]["name"] == "docker"
    assert run["environments"][OLD]["base"]["digest"]
    assert run["environments"][NEW]["packages"]["keras"].startswith("3.")
    assert (project.root / "results" / "latest").read_text().strip() == run["run"]
    left = ["docker", "ps", "-a", "-q", "--filter", f"label=tfmatrix.run={run['run']}"]
    assert subprocess.run(left, capture_output=True, text=True, check=True).stdout == ""

    second = project.tfmatrix("run", "--json", "--executor", "docker", *selected())
    again = second.cells()
    check(again)
    assert all(record["cached"] for record in again.values() if record["key"])


def test_without_an_engine_the_same_in_local_environments(real_project):
    project = real_project([OLD, NEW], ["optimizer_state", "tf_module"])
    finished = project.tfmatrix("run", "--json", *selected(), DOCKER_HOST=UNREACHABLE)
    assert finished.code == 1, finished.stderr
    check(finished.cells())
    (line,) = [line for line in finished.stderr.splitlines() if line.startswith("executor")]
    assert "venv" in line
    assert "nonexistent" in line


def test_interrupted_it_says_so_leaves_nothing_and_goes_on(real_project):
    project = real_project([OLD], ["optimizer_state", "dense", "dropout"])
    arguments = ["run", "--executor", "venv", "--format", "keras", "--format", "h5", "--jobs", "1"]
    process = subprocess.Popen(
        project.command(*arguments), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    outcomes = project.root / "results" / "store" / "outcomes"
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and not list(outcomes.rglob("*.json")):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "interrupted" in stderr
    assert not list((project.root / "results" / "store" / "work").iterdir())
    mine = subprocess.run(["pgrep", "-f", str(project.root)], capture_output=True, text=True, check=False)
    assert mine.stdout == ""
    finished = project.tfmatrix(*arguments[:-2], "--json")
    assert finished.code == 0, finished.stderr
    assert any(record["cached"] or record["save"]["seconds"] for record in finished.cells().values())
