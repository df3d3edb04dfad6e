"""`-C` is the base of every path of the command line."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from command import tfmatrix
from tfmatrix.cli.options import below, new_below


def test_what_is_there_is_below_the_project_and_else_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    service = Path("service")
    service.mkdir()
    for path in (service / "both.h5", Path("both.h5"), Path("here.h5")):
        path.write_text("")
    assert below(service, Path("both.h5")) == service / "both.h5"
    assert below(service, Path("here.h5")) == Path("here.h5")
    assert below(service, Path("neither.h5")) == service / "neither.h5"
    assert new_below(service, Path("here.h5")) == service / "here.h5"
    assert below(service, tmp_path / "both.h5") == tmp_path / "both.h5"


@pytest.fixture
def monorepo(tmp_path, monkeypatch):
    """requirements.txt of the root, and of a service; both unchanged since main."""
    monkeypatch.delenv("GITHUB_BASE_REF", raising=False)
    (tmp_path / "service" / "answers").mkdir(parents=True)
    (tmp_path / "requirements.txt").write_text("tensorflow==2.12.1\n")
    (tmp_path / "service" / "requirements.txt").write_text("tensorflow==2.15.1\n")
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *command], check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_answers_and_junit_are_written_below_the_project(monorepo):
    asked = [
        "upgrade",
        "-C",
        "service",
        "--from-git",
        "main",
        "--json",
        "-o",
        "answers/a.json",
        "--junit",
        "answers/j.xml",
    ]
    done = tfmatrix(*asked)
    assert done.code == 0, done.stderr
    assert json.loads((monorepo / "service/answers/a.json").read_text())["unchanged"]
    assert (monorepo / "service/answers/j.xml").read_text().startswith("<?xml")
    missing = tfmatrix(*asked[:-1], "nowhere/j.xml")
    assert missing.code == 2


def test_models_are_looked_for_below_the_project(monorepo):
    (monorepo / "service/old.txt").write_text("tensorflow==2.14.1\n")
    done = tfmatrix("upgrade", "missing.h5", "-C", "service", "--from", "2.14.1", "--to", "2.15.1", "--offline")
    assert done.code == 2
    assert "there is no service/missing.h5" in done.stderr
