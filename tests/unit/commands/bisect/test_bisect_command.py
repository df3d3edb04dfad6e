"""The whole command over a fake executor: real planning, runs and store, no TensorFlow; and what it prints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from answer_schemas import hold
from fakes import FakeExecutor
from repository import ROOT
from tfmatrix.cli import run_command
from tfmatrix.commands.bisect import command, measure
from tfmatrix.core.errors import ConfigError
from tfmatrix.envs.releases import Release
from tfmatrix.executors import choose

VERSIONS = [f"2.{minor}.0" for minor in range(12, 22)]


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "scenarios").mkdir()
    shutil.copyfile(ROOT / "scenarios" / "dense.py", tmp_path / "scenarios" / "dense.py")
    (tmp_path / "matrix.yaml").write_text('schema: 1\nenvironments: [{tensorflow: "2.12.0"}]\n')
    listed = [Release(version=version, pythons=("3.11",)) for version in VERSIONS]
    monkeypatch.setattr(command, "releases", lambda package, index, prereleases=False: listed)
    return tmp_path


class Laboratory:
    """Saves refuse from a version on, where the writer moves; locks are refused for `unlocked`."""

    def __init__(self, monkeypatch, breaks_at: str, unlocked: tuple[str, ...] = ()) -> None:
        self.measured: list[str] = []
        executor = FakeExecutor(job=self._job)
        self._place = VERSIONS.index(breaks_at)
        monkeypatch.setattr(choose, "open_executor", lambda *_, **__: (executor, "a fake"))
        monkeypatch.setattr(measure, "ensure_lock", lambda folder, environment, uv: self._lock(environment, unlocked))

    def _lock(self, environment, unlocked) -> None:
        if environment.tensorflow in unlocked:
            raise ConfigError("no packages fit. uv says: Because it was never built, it fails.", file="matrix.yaml")

    def _job(self, environment: str, job: dict) -> dict:
        self.measured.append(environment)
        broken = environment in VERSIONS and VERSIONS.index(environment) >= self._place
        return {
            "status": "error",
            "phase": "build" if broken else "train",
            "reason": None,
            "error": {"type": "ValueError" if broken else "TypeError", "message": "no such layer", "traceback": ""},
            "warnings": [], "seconds": {}, "artifact": False, "observation": False,
        }  # fmt: skip


def bisected(project: Path, capsys, *more: str) -> tuple[int, str, str]:
    code = run_command(
        ["bisect", "dense/h5", "--good", "2.12.0", "--bad", "2.21.0", "--jobs", "1", "-C", str(project), *more]
    )
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_version_is_found_and_everything_is_said(project, monkeypatch, capsys):
    laboratory = Laboratory(monkeypatch, "2.17.0", unlocked=("2.16.0",))
    code, out, err = bisected(project, capsys)
    assert code == 4, out + err
    assert "changed in one of TensorFlow 2.16.0, 2.17.0, after 2.15.0" in " ".join(out.split())
    assert "passed over: Because it was never built, it fails." in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    assert "measuring tensorflow 2.12.0, 2.21.0" in err
    assert laboratory.measured[:2] == ["2.12.0", "2.21.0"]
    assert len(laboratory.measured) <= 6


def test_json_has_the_table_the_change_and_the_bound(project, monkeypatch, capsys):
    Laboratory(monkeypatch, "2.14.0")
    code, out, _ = bisected(project, capsys, "--json", "--quiet")
    data = json.loads(out)
    hold("bisect", data)
    assert code == 0
    (change,) = data["changes"]
    assert (change["before"], change["after"], change["exact"]) == ("2.13.0", "2.14.0", True)
    assert change["level"] == "cause"
    assert data["measured"] == len(data["tried"]) <= data["bound"] == 6
    assert data["side"] == "both"


def test_what_was_measured_is_not_measured_again(project, monkeypatch, capsys):
    laboratory = Laboratory(monkeypatch, "2.14.0")
    bisected(project, capsys)
    before = len(laboratory.measured)
    _, out, _ = bisected(project, capsys)
    assert len(laboratory.measured) == before
    assert "(store)" in out


def test_nothing_changes(project, monkeypatch, capsys):
    Laboratory(monkeypatch, "2.12.0")
    code, out, err = bisected(project, capsys)
    assert (code, out) == (2, "")
    assert "nothing changes from 2.12.0 to 2.21.0: dense/h5 save-error" in err


def test_no_such_cell(project, monkeypatch, capsys):
    Laboratory(monkeypatch, "2.14.0")
    code = run_command(["bisect", "dnse/h5", "--good", "2.12.0", "--bad", "2.21.0", "-C", str(project)])
    assert code == 3
    assert "Traceback" not in capsys.readouterr().err
