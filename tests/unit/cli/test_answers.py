"""What commands print for programs, against its published schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from answer_schemas import hold
from repository import ROOT
from run_builder import article_run
from tfmatrix.analysis.causes import find_causes
from tfmatrix.analysis.warnings import catalogue
from tfmatrix.cli import run_command
from tfmatrix.cli.answers import ANSWERS, answer_schema, answer_schema_text
from tfmatrix.commands.upgrade.settled import Refused, Unchanged
from tfmatrix.core.errors import ExitCode
from tfmatrix.reports.explain import explain
from tfmatrix.reports.render import render

SCHEMAS = ROOT / "docs" / "schemas"


@pytest.mark.parametrize("name", ANSWERS)
def test_the_published_schemas_are_those_of_the_code(name: str) -> None:
    """Written by `tfmatrix schema NAME -o docs/schemas/NAME.json`."""
    assert (SCHEMAS / f"{name}.json").read_text(encoding="utf-8") == answer_schema_text(name)
    jsonschema.Draft202012Validator.check_schema(answer_schema(name))


def test_there_is_no_other_schema() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == set(ANSWERS)


def test_a_key_that_is_not_in_the_schema_is_refused() -> None:
    with pytest.raises(jsonschema.ValidationError, match="'cell' was unexpected"):
        hold("report", {"schema": 1, "run": {}, "cells": [], "cell": {}})


def test_the_report_and_explanations() -> None:
    run = article_run()
    hold("report", json.loads(render(run, "json")))
    hold("warnings", catalogue(run).to_json())
    cause = find_causes(run)[0]
    entry = catalogue(run).entries[0]
    for target in (run.records[0].cell, "**", cause.id, entry.id):
        hold("explain", json.loads(explain(run, target, fmt="json")))


def test_an_upgrade_that_changes_nothing() -> None:
    hold("upgrade", Unchanged(before="a.txt in main", after="a.txt", environment="2.15.1").document())
    hold("upgrade", Unchanged(before="what is installed in main", after="what is installed").document())
    refused = Refused(side="to", source="a.txt", file="a.txt", line=1, what="not installable", reason=("because",))
    hold("upgrade", refused.document())


@pytest.mark.parametrize(("name", "arguments"), [("plan", ["plan", "--json"]), ("env-list", ["env", "list", "--json"])])
def test_what_matrix_yaml_says(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, arguments: list[str]):
    (tmp_path / "matrix.yaml").write_text('schema: 1\nenvironments: [{tensorflow: "2.15.1"}]\n')
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "dense.py").write_text(
        '"""A dense layer."""\nimport tensorflow as tf\n'
        "def build_model(): return tf.keras.Sequential()\ndef inputs(rng): return rng.rand(2)\n"
    )
    assert run_command([*arguments, "-C", str(tmp_path)]) == 0
    hold(name, json.loads(capsys.readouterr().out))


def test_schemas_are_printed_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["schema", "upgrade"]) == 0
    assert capsys.readouterr().out == (SCHEMAS / "upgrade.json").read_text(encoding="utf-8")
    assert run_command(["schema", "upgrad"]) == ExitCode.USAGE
    assert 'did you mean "upgrade"?' in capsys.readouterr().err
