"""What a machine lacks is said, never raised; and whether a run can work follows from it."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from answer_schemas import hold
from repository import ROOT
from tfmatrix.cli import run_command
from tfmatrix.commands import doctor
from tfmatrix.commands.doctor import Examined, Finding, State, examine, report, to_json
from tfmatrix.core.choices import ScenarioKind
from tfmatrix.core.errors import ExitCode, InfrastructureError
from tfmatrix.envs.lock import read_lock
from tfmatrix.executors.engine import Engine, EngineUnavailableError
from tfmatrix.project.new_scenario import scenario_text
from tfmatrix.project.project import Project

NAMES = [
    "project", "engine", "base image", "uv", "index", "pythons", "environments", "cpu", "memory", "disk", "cache",
    "results", "clock",
]  # fmt: skip


_index = doctor._index


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine without an engine, offline but for what a test changes; its cache is the test's own."""

    def none() -> Engine:
        raise EngineUnavailableError("no Docker engine answers at /nowhere (No such file)")

    monkeypatch.setenv("TFMATRIX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(doctor, "connect", none)
    monkeypatch.setattr(doctor, "look_for_interpreter", lambda version, uv: Interpreter(f"{version}.9"))
    monkeypatch.setattr(doctor, "_index", lambda machine: Finding(name="index", state=State.OK, found="answers"))
    return monkeypatch


class Interpreter:
    def __init__(self, version: str) -> None:
        self.version = version


def test_everything_is_looked_at_and_nothing_is_written(machine, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    examined = examine(project)
    assert [each.name for each in examined.findings] == NAMES
    assert (examined.executor, examined.exit_code) == ("venv", ExitCode.OK)
    assert examined.state("engine") is State.MISSING
    assert list(project.iterdir()) == []


def test_with_an_engine_runs_go_into_containers(machine, tmp_path):
    machine.setattr(doctor, "_engine", lambda machine: Finding(name="engine", state=State.OK, found="Docker"))
    machine.setattr(doctor, "_base", lambda machine: Finding(name="base image", state=State.OK, found="python"))
    assert examine(tmp_path).executor == "docker"


def test_neither_engine_nor_interpreters(machine, tmp_path):
    machine.setattr(doctor, "look_for_interpreter", lambda version, uv: None)
    examined = examine(tmp_path, offline=True)
    assert (examined.executor, examined.exit_code) == ("", ExitCode.INFRASTRUCTURE)
    # With a network, uv fetches what is missing.
    assert examine(tmp_path).executor == "venv"


def test_that_nobody_asked_the_index_is_no_failure(machine, tmp_path):
    machine.setattr(doctor, "_index", _index)
    examined = examine(tmp_path, offline=True)
    assert examined.exit_code is ExitCode.OK
    assert "it was not asked" in examined.reason
    # A project that is offline itself has nothing else to hope for.
    (tmp_path / "matrix.yaml").write_text(
        'schema: 1\nenvironments: [{tensorflow: "2.15.1"}]\ndefaults: {network: {offline: true}}\n'
    )
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "one.py").write_text('"""One."""\ndef build_model(): ...\ndef inputs(rng): ...\n')
    assert examine(tmp_path, offline=True).exit_code is ExitCode.INFRASTRUCTURE


def test_nothing_is_locked_and_no_index_answers(machine, tmp_path):
    machine.setattr(doctor, "_index", lambda machine: doctor._silent_index("dns error"))
    examined = examine(tmp_path)
    assert examined.exit_code is ExitCode.INFRASTRUCTURE
    assert "no index answers" in examined.reason


def test_what_is_locked_and_installed_needs_no_index(machine, tmp_path):
    """The checkout's own lock of one environment; a marker says that it is installed."""
    machine.setattr(doctor, "_index", lambda machine: doctor._silent_index("dns error"))
    for folder in ("locks", "scenarios"):
        (tmp_path / folder).mkdir()
    (tmp_path / "scenarios" / "one.py").write_text(scenario_text("one", ScenarioKind.FUNCTIONAL))
    (tmp_path / "matrix.yaml").write_text('schema: 1\nenvironments: [{tensorflow: "2.15.1", python: "3.11"}]\n')
    shutil.copy(ROOT / "locks" / "2.15.1.txt", tmp_path / "locks")
    examined = examine(tmp_path)
    assert (examined.state("environments"), examined.executor) == (State.NOTE, "")
    project = Project(root=tmp_path)
    lock = read_lock(project.locks, project.config.environments[0])
    assert lock is not None
    marker = tmp_path / "cache" / "envs" / "abc" / "tfmatrix.json"
    marker.parent.mkdir(parents=True)
    marker.write_text(json.dumps({"lock": lock.digest}))
    examined = examine(tmp_path)
    assert (examined.state("environments"), examined.executor) == (State.OK, "venv")


def test_a_cpu_without_avx(machine, tmp_path):
    host = {"system": "Linux", "machine": "x86_64", "cpus": 2, "cpu_flags": ["sse4_2"]}
    machine.setattr(doctor, "describe_host", lambda: host)
    examined = examine(tmp_path)
    assert examined.state("cpu") is State.WRONG
    assert examined.exit_code is ExitCode.INFRASTRUCTURE


def test_a_full_disk(machine, tmp_path):
    class Usage:
        free = 10**8

    machine.setattr(doctor.shutil, "disk_usage", lambda folder: Usage())
    examined = examine(tmp_path)
    assert examined.state("disk") is State.WRONG
    assert examined.exit_code is ExitCode.INFRASTRUCTURE


def test_a_file_system_without_hard_links_is_slower_but_works(machine, tmp_path):
    def no_links(*_paths: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    machine.setattr(os, "link", no_links)
    examined = examine(tmp_path)
    assert examined.state("cache") is State.NOTE
    assert examined.exit_code is ExitCode.OK


def test_a_matrix_with_a_mistake_is_a_finding(machine, tmp_path):
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "one.py").write_text(scenario_text("one", ScenarioKind.FUNCTIONAL))
    (tmp_path / "matrix.yaml").write_text("schema: 1\nenvironments: 3\n")
    examined = examine(tmp_path)
    assert examined.state("project") is State.WRONG
    assert "matrix.yaml:2" in examined.findings[0].found
    assert examined.exit_code is ExitCode.INFRASTRUCTURE


@pytest.mark.parametrize("question", ["_engine", "_base", "_pythons", "_memory", "_clock"])
@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), OSError(5, "I/O"), InfrastructureError("x")])
def test_no_question_ends_the_report(machine, tmp_path, question, error):
    def broken(_machine: object) -> Finding:
        raise error

    machine.setattr(doctor, question, broken)
    examined = examine(tmp_path)
    assert [each.name for each in examined.findings] == NAMES
    assert sum(each.state is State.WRONG for each in examined.findings) == 1


def test_a_question_that_hangs_is_left_alone(machine, tmp_path):
    machine.setattr(doctor, "_memory", lambda machine: time.sleep(60))
    start = time.monotonic()
    examined = examine(tmp_path, seconds=2)
    assert time.monotonic() - start < 30
    assert next(each for each in examined.findings if each.name == "memory").found == "no answer within 2 s"


def everything(found: str, fix: str = "") -> Examined:
    states = [*State] * 4
    findings = tuple(
        Finding(name=name, state=state, found=found, fix=fix) for name, state in zip(NAMES, states, strict=False)
    )
    return Examined(findings=findings, executor="venv", reason="runs work")


@pytest.mark.parametrize("text", ["short", "/a/very/long/path" * 20, "word " * 60, "\x1b[2J\x00\r\n" * 5])
def test_it_fits_eighty_columns_and_moves_no_cursor(text):
    stream = io.StringIO()
    report(everything(text, fix=text), stream)
    assert max(map(len, stream.getvalue().splitlines())) <= 80
    assert "\x1b" not in stream.getvalue()
    for sign, word in [("✓", "ok"), ("!", "note"), ("–", "missing"), ("✗", "wrong")]:
        assert f"{sign} {word}" in stream.getvalue()


def test_json_and_exit_code(machine, tmp_path: Path, capsys):
    assert run_command(["doctor", "--json", "-C", str(tmp_path)]) == 0
    said = json.loads(capsys.readouterr().out)
    hold("doctor", said)
    assert (said["ok"], said["executor"]) == (True, "venv")
    assert [each["name"] for each in said["findings"]] == NAMES
    machine.setattr(doctor, "look_for_interpreter", lambda version, uv: None)
    assert run_command(["doctor", "--offline", "-C", str(tmp_path)]) == ExitCode.INFRASTRUCTURE
    assert to_json(everything("x"))["schema"] == 1
