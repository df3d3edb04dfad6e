"""What a file says of what it holds, read from the forms in which versions write it."""

from __future__ import annotations

import base64
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import golden_hdf5
import golden_tflite
import pytest
from answer_schemas import hold
from saved_models import field, saved_model
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
        {"class_name": "Mine", "config": {"name": "m"}},
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
        file.writestr("model.weights.h5", WEIGHTS)
    with pytest.raises(UsageError, match="is damaged"):
        inspect_file(Project(root=tmp_path), path)


def table(*entries: tuple[bytes, bytes]) -> bytes:
    """A block of LevelDB's with keys that share their beginnings, and one restart."""
    data, before = b"", b""
    for key, value in entries:
        shared = next((at for at, pair in enumerate(zip(key, before, strict=False)) if pair[0] != pair[1]), 0)
        data += bytes([shared, len(key) - shared, len(value)]) + key[shared:] + value
        before = key
    return data + struct.pack("<II", 0, 1)


def index_of(*entries: tuple[bytes, tuple[int, ...]], packed: bool = False) -> bytes:
    """The index of a checkpoint with variables of these shapes."""

    def value(shape: tuple[int, ...]) -> bytes:
        return b"\x08\x01" + field(2, b"".join(field(2, b"\x08" + bytes([size])) for size in shape))

    block = table(*((key, value(shape)) for key, shape in entries))
    top = table((b"z", b"\x00" + bytes([len(block) & 0x7F | 0x80, len(block) >> 7])))
    tail = bytes([1 if packed else 0]) + b"crc_"
    start = len(block) + len(tail)
    size = bytes([start & 0x7F | 0x80, start >> 7, len(top)])
    footer = (b"\x00\x00" + size).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    return block + tail + top + b"\0crc_" + footer


VARIABLES = (
    (b"_CHECKPOINTABLE_OBJECT_GRAPH", ()),
    (b"keras_api/metrics/0/total/.ATTRIBUTES/VARIABLE_VALUE", (5,)),
    (b"optimizer/iter/.ATTRIBUTES/VARIABLE_VALUE", ()),
    (b"variables/0/.ATTRIBUTES/VARIABLE_VALUE", (3, 4)),
    (b"variables/0/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE", (3, 4)),
    (b"variables/1/.ATTRIBUTES/VARIABLE_VALUE", (4,)),
)


def test_the_parameters_of_a_checkpoint_are_counted_without_its_optimizer(tmp_path):
    folder = saved_model(tmp_path / "saved", "2.12.1", keras=True)
    (folder / "variables" / "variables.data-00000-of-00001").write_bytes(b"")
    (folder / "variables" / "variables.index").write_bytes(index_of(*VARIABLES))
    assert inspected(folder)["parameters"] == 16
    (folder / "variables" / "variables.index").write_bytes(index_of(*VARIABLES, packed=True))
    assert inspected(folder)["parameters"] is None


@pytest.mark.parametrize("cut", [0, 10, 47, 60])
def test_a_damaged_index_is_one_error(tmp_path, cut):
    folder = saved_model(tmp_path / "saved", "2.12.1", keras=True)
    whole = index_of(*VARIABLES)
    (folder / "variables" / "variables.data-00000-of-00001").write_bytes(b"")
    (folder / "variables" / "variables.index").write_bytes(whole[:cut] + whole[-8:])
    with pytest.raises(UsageError, match="is damaged"):
        inspected(folder)


def test_the_parameters_of_hdf5_and_tflite_are_counted(tmp_path):
    (tmp_path / "w.h5").write_bytes(zlib.decompress(base64.b64decode(golden_hdf5.WEIGHTS_ONLY)))
    (tmp_path / "m.tflite").write_bytes(base64.b64decode(golden_tflite.DENSE_2_15_1))
    found = inspected(tmp_path / "m.tflite")
    assert (found["parameters"], found["operators"], found["custom"]) == (6, 1, [])
    assert inspected(tmp_path / "w.h5")["parameters"] == 2
