"""What a file says of what it holds, read from the forms in which versions write it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from answer_schemas import hold
from saved_models import saved_model
from tfmatrix.commands.inspect import inspect_file
from tfmatrix.core.errors import UsageError
from tfmatrix.project.project import Project

WEIGHTS = b"0123456789"


def layer(class_name: str, **more: Any) -> dict[str, Any]:
    config = {"name": class_name.lower(), **more.pop("config", {})}
    return {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None, **more}


def archive(folder: Path, *layers: dict[str, Any], **more: Any) -> Path:
    path = folder / "m.keras"
    config = {"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": list(layers)}, **more}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata.json", json.dumps({"keras_version": "3.13.2"}))
        file.writestr("config.json", json.dumps(config))
        file.writestr("model.weights.h5", WEIGHTS)
    return path


def inspected(path: Path) -> dict[str, Any]:
    found = inspect_file(Project(root=path.parent), path)
    hold("inspect", found.to_json())
    assert found.to_text()
    return found.to_json()


def test_layers_are_counted_with_those_of_nested_models_and_wrappers(tmp_path):
    nested = layer("Functional", config={"layers": [layer("InputLayer"), layer("Dense"), layer("Dense")]})
    wrapped = layer("Bidirectional", config={"layer": layer("LSTM")})
    found = inspected(archive(tmp_path, layer("InputLayer"), nested, wrapped, layer("Dense")))
    assert found["layers"] == {"Dense": 3, "Functional": 1, "Bidirectional": 1, "LSTM": 1}
    assert (found["model_class"], found["keras"]) == ("Sequential", "3.13.2")
    assert (found["weights_bytes"], found["custom"], found["runs_code"]) == (len(WEIGHTS), [], [])


@pytest.mark.parametrize(
    "own",
    [
        layer("Mine", module=None, registered_name="mine>Mine"),
        layer("Mine", module="my.package"),
        {"class_name": "mine>Mine", "config": {"name": "m"}},
    ],
)
def test_a_class_that_is_not_of_keras_is_named(tmp_path, own):
    assert [each.rpartition(">")[2] for each in inspected(archive(tmp_path, own))["custom"]] == ["Mine"]


@pytest.mark.parametrize(
    "config",
    [
        {"function": {"class_name": "__lambda__", "config": {"code": "4wE="}}},
        {"function": ["4wE=", None, None], "function_type": "lambda"},
    ],
)
def test_bytecode_is_told_as_what_runs(tmp_path, config):
    found = inspected(archive(tmp_path, layer("Lambda", config=config)))
    assert found["runs_code"] == ["the Lambda lambda holds Python bytecode, which runs when it is loaded"]


def test_a_function_by_its_name_runs_nothing_of_the_file(tmp_path):
    config = {"function": "relu", "function_type": "function"}
    assert inspected(archive(tmp_path, layer("Lambda", config=config)))["runs_code"] == []


def test_the_optimizer_inside_of_another_is_named_too(tmp_path):
    inner = {"class_name": "Adam", "config": {}}
    compiled = {"optimizer": {"class_name": "LossScaleOptimizer", "config": {"inner_optimizer": inner}}}
    assert (
        inspected(archive(tmp_path, layer("Dense"), compile_config=compiled))["optimizer"] == "LossScaleOptimizer(Adam)"
    )


def test_a_saved_model_is_said_to_be_a_program(tmp_path):
    found = inspected(saved_model(tmp_path / "saved", "2.15.1", keras=True))
    assert found["tensorflow"] == "2.15.1"
    assert "a SavedModel is a program" in found["runs_code"][0]


def test_a_configuration_that_is_no_json_is_one_error(tmp_path):
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata.json", "{}")
        file.writestr("config.json", "{")
    with pytest.raises(UsageError, match="is damaged"):
        inspect_file(Project(root=tmp_path), path)
