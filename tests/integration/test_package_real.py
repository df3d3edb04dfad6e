"""The wheel, installed where there is no checkout: the way of a new user, and of a program that imports tfmatrix."""

from __future__ import annotations

import json

import pytest
from repository import ROOT

pytestmark = pytest.mark.real

PROGRAM = """
import json
from pathlib import Path
from tfmatrix.api import Project, load_run, run, upgrade

project = Project(root=Path.cwd())
finished = run(project, format=["keras"], executor="venv")
answer = upgrade(project, before="2.15.1", after="2.21.0", saved_as=["keras"], alternative=False, executor="venv")
cells = {row.cell: row.status for row in load_run(finished.run.folder).itertuples()}
print(json.dumps({"code": finished.exit_code, "cells": cells, "verdict": answer.upgrade.verdict}))
"""


@pytest.fixture(scope="module")
def walked(installed):
    """After init and a first run."""
    installed.make_project(installed.project, ("2.15.1", "2.21.0"))
    cells = json.loads(installed("tfmatrix", "run", "--format", "keras", "--json", codes=(0, 1)))["cells"]
    assert {cell["status"] for cell in cells} == {"pass", "load-error"}
    return installed


def test_the_way_of_a_new_user(walked):
    assert "2.15.1" in walked("tfmatrix", "report", "--format", "md")
    walked("tfmatrix", "report", "--format", "site", "-o", "site")
    assert (walked.project / "site" / "index.html").is_file()
    sides = ("--from", "2.15.1", "--to", "2.21.0", "--format", "keras", "--no-alternative")
    assert "2.15.1 → 2.21.0: SAFE WITH CHANGES" in walked("tfmatrix", "upgrade", *sides, codes=(1,))


CELL = "example/keras/2.15.1/2.21.0"
WALK = [
    ("plan",),
    ("plan", "--workers", "2", "--json"),
    ("doctor",),
    ("env", "list"),
    ("env", "sbom", "2.15.1"),
    ("lock",),
    *(("report", "--format", style) for style in ("table", "md", "csv", "json")),
    ("report", "--format", "archive", "-o", "kept"),
    ("publish", "-o", "public"),
    ("explain", CELL),
    ("explain", CELL, "--json"),
    ("warnings",),
    ("reproduce", CELL, "-o", "bug"),
    ("store", "verify"),
    ("schema",),
    ("new-scenario", "mine"),
    ("run", "--phase", "table", "--format", "keras", "--scenario", "example"),
    ("clean",),
]


@pytest.mark.parametrize("words", WALK, ids=" ".join)
def test_every_command_works_on_what_init_wrote(walked, words):
    walked("tfmatrix", *words, codes=(0, 1) if words[0] == "run" else (0,))


def test_a_run_is_not_compared_with_itself(walked):
    walked("tfmatrix", "diff", "latest", "latest", codes=(2,))


def test_a_project_without_scenarios_has_the_shipped_ones(installed, tmp_path):
    code = "from tfmatrix.commands.upgrade.measure import shipped_scenarios as f; print(len(list(f().glob('*.py'))))"
    assert int(installed("python", "-c", code)) == len(list((ROOT / "scenarios").glob("*.py")))


def test_a_program(walked):
    answer = json.loads(walked("python", "-c", PROGRAM))  # nothing else is on stdout
    assert answer["cells"]["example/keras/2.15.1/2.21.0"] == "load-error"
    assert (answer["code"], answer["verdict"]) == (1, "SAFE WITH CHANGES")
