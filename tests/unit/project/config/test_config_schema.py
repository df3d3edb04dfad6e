"""The JSON Schema: committed, and as strict as the loader where a schema can be."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from repository import ROOT
from ruamel.yaml import YAML
from tfmatrix.project.config import SCHEMA_FILE, json_schema, load_config, load_known_failures, schema_text
from tfmatrix.project.formats import own_formats
from tfmatrix.project.scenario import read_scenarios

FORMATS = own_formats()


def plain(text: str) -> Any:
    """YAML as the JSON that an editor validates."""
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(text)))


def errors(text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(json_schema())
    return [error.json_path for error in validator.iter_errors(plain(text))]


def test_the_committed_schema_is_that_of_the_models() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "run `tfmatrix schema` and commit the result"


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_the_projects_matrix_is_valid_and_names_the_schema() -> None:
    text = (ROOT / "matrix.yaml").read_text(encoding="utf-8")
    assert errors(text) == []
    schema = text.splitlines()[0].partition("$schema=")[2]
    assert ROOT / schema == SCHEMA_FILE


def test_the_projects_matrix_and_known_failures_are_read() -> None:
    config = load_config(
        ROOT / "matrix.yaml", scenarios=read_scenarios(ROOT / "scenarios", formats=FORMATS), formats=FORMATS
    )
    quick = config.selection("quick")
    assert {"2.12.1", "2.15.1", "2.16.2", "2.21.0"} == {environment.id for environment in quick.environments}
    assert config.selection("nightly").environments == config.environments
    load_known_failures(ROOT / "known_failures.yaml")


def test_every_key_is_described() -> None:
    schema = json_schema()
    for name, model in {"matrix.yaml": schema, **schema["$defs"]}.items():
        assert model["description"], name
        for key, value in model["properties"].items():
            assert value.get("description"), f"{name}: {key}"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("environments: [{tensorflow: '2.15.1'}]", "$"),
        ("schema: 2\nenvironments: [{tensorflow: '2.15.1'}]", "$.schema"),
        ("schema: 1\nenvironments: []", "$.environments"),
        ("schema: 1\nenvironments: [{tensorflow: 2.10}]", "$.environments[0].tensorflow"),
        ("schema: 1\nenvironments: [{tensorflow: '2.10.'}]", "$.environments[0].tensorflow"),
        ("schema: 1\nenvironments: [{python: '3.11'}]", "$.environments[0]"),
        ("schema: 1\nenvironments: [{tensorflow: '2.15.1', keras: null}]", "$.environments[0].keras"),
        ("schema: 1\nenvironments: [{tensorflow: '2.15.1'}]\nscenario: []", "$"),
        ("schema: 1\nenvironments: [{tensorflow: '2.15.1'}]\npairs: []", "$.pairs"),
        ("schema: 1\nenvironments: [{tensorflow: '2.15.1'}]\ndefaults: {memory: 4}", "$.defaults.memory"),
        ("schema: 1\nenvironments: [{tensorflow: '2.15.1'}]\ndefaults: {jobs: 0}", "$.defaults.jobs"),
        ("schema: 1\nenvironments: [{tensorflow: '2.15.1'}]\nsets: {quick: null}", "$.sets.quick"),
    ],
)
def test_what_the_loader_refuses_an_editor_marks(text: str, path: str) -> None:
    assert errors(text) == [path]


def test_what_the_loader_takes_an_editor_does_not_mark() -> None:
    text = """
        schema: 1
        environments:
          - {tensorflow: "2.22.0rc0", with: [tf-keras], env: {A: "1"}, as_of: today, id: "a+b@c"}
          - {tensorflow: nightly, as_of: "2024-08-01"}
          - {image: "x:y", id: z}
        pairs: ["2.12.1/*"]
        sets: {quick: {pairs: forward, environments: [z]}, nightly: {}}
        defaults: {memory: 512m, jobs: 2, tolerances: {rtol: 1e-3}, docker: {cpus: 1}}
    """
    assert errors(text) == []


def test_defaults_are_shown_as_the_file_would_write_them() -> None:
    defaults = json_schema()["$defs"]["Defaults"]["properties"]
    assert (defaults["memory"]["default"], defaults["jobs"]["default"]) == ("4g", "auto")
