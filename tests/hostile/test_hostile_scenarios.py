"""Hostile scenarios in real workers, beside honest neighbours: contained, told, and nothing is left behind."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from attacks import ATTACKS, GOOD, QUICK, Attack
from needs import lacking
from real_project import RealProject
from tfmatrix.executors.engine import EngineUnavailableError, connect

pytestmark = pytest.mark.real
TENSORFLOW = "2.15.1"
NEIGHBOURS = ("a_neighbour", "m_neighbour", "z_neighbour")


@pytest.fixture(params=[pytest.param("docker", marks=pytest.mark.docker), "venv"], scope="module")
def executor(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        try:
            connect()
        except EngineUnavailableError as error:
            lacking(error.what)
    return str(request.param)


@pytest.fixture(scope="module")
def tried(executor: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs the attacks of an executor once; (executor, canary, cells by scenario, project, attacks, seconds)."""
    folder = tmp_path_factory.mktemp("hostile")
    canary = folder / "canary"
    canary.mkdir()
    (canary / "private.txt").write_text("secret")
    (canary / "private.txt").chmod(0o600)
    project = RealProject(folder / "project", [TENSORFLOW], (), "defaults: {timeout: 30, memory: 2g, disk: 64m}\n")
    everything = bool(os.environ.get("TFMATRIX_TEST_HOSTILE"))
    attacks = {
        name: attack
        for name, attack in ATTACKS.items()
        if attack.only in ("", executor) and (everything or name in QUICK)
    }
    for name, attack in {**attacks, **dict.fromkeys(NEIGHBOURS, GOOD)}.items():
        (project.root / "scenarios" / f"{name}.py").write_text(attack.scenario(name, str(canary)))
    started = time.monotonic()
    finished = project.tfmatrix("run", "--json", "--executor", executor, "--jobs", "1", "--no-remedies")
    assert finished.code in (0, 1), finished.stderr
    seconds = time.monotonic() - started
    return executor, canary, {one["scenario"]: one for one in finished.cells().values()}, project, attacks, seconds


def contained(attack: Attack, record: dict[str, Any]) -> bool:
    error = record["error"] or {}
    return record["status"] in attack.status and attack.words in str(error.get("message", ""))


def test_every_attack_ends_as_a_finding_of_its_own_cell(tried: Any) -> None:
    executor, _, cells, _, attacks, seconds = tried
    wrong = {
        name: (cells[name]["status"], (cells[name]["error"] or {}).get("message"), attack.status, attack.words)
        for name, attack in attacks.items()
        if not contained(attack, cells[name])
    }
    print(f"\ntrust: {executor}: {len(attacks) - len(wrong)} of {len(attacks)} attacks contained in {seconds:.0f} s")
    assert wrong == {}


def test_honest_neighbours_are_what_they_are_without_them(tried: Any) -> None:
    cells = tried[2]
    assert {name: cells[name]["status"] for name in NEIGHBOURS} == dict.fromkeys(NEIGHBOURS, "pass")
    digests = {cells[name]["artifact"]["bytes"] for name in NEIGHBOURS}
    assert len(digests) == 1


def test_nothing_of_the_host_was_read_moved_or_removed(tried: Any) -> None:
    _, canary, _, project, _, _ = tried
    assert [path.name for path in canary.iterdir()] == ["private.txt"]
    assert (canary / "private.txt").read_text() == "secret"
    stored = [path for path in (project.root / "results" / "store" / "folders").rglob("*") if path.is_file()]
    assert stored
    assert not any(path.read_bytes() == b"secret" for path in stored)


def test_nothing_is_left_behind(tried: Any) -> None:
    project = tried[3]
    daemons = [
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if _content(path).startswith(b"tfmatrix-hostile-daemon")
    ]
    assert daemons == []
    assert list((project.root / "results" / "store" / "work").iterdir()) == []
    assert list((project.root / "results" / "store" / "folders").glob(".incoming-*")) == []


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it ended, or is another user's
