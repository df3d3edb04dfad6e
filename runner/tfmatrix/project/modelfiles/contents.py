"""What a model file holds, without TensorFlow: layers, the optimizer, code, sizes. Nothing of it is made or run."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from tfmatrix.core.errors import UsageError
from tfmatrix.project.modelfiles import bundle, tflite
from tfmatrix.project.modelfiles.hdf5 import parameters_inside
from tfmatrix.project.modelfiles.layer_names import KERAS_LAYERS
from tfmatrix.project.modelfiles.modelfile import ModelFile
from tfmatrix.project.modelfiles.protobuf import ProtobufError, fields, inside
from tfmatrix.project.modelfiles.tflite import FlatbufferError

CODE_IN_FILE: Final = "lambda"
"""What Python's own bytecode in a file belongs to."""

_OF_KERAS: Final = ("keras", "tf_keras", "tensorflow.python.keras", "tensorflow.keras")
_METADATA: Final = "keras_metadata.pb"
_WEIGHTS: Final = "model.weights.h5"


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a file holds. What it does not say is empty or None.

    `layers` counts the layers by class, nested models with what they hold; `custom` are the classes that are not
    Keras's (of TFLite, ops of other programs). `optimizer` is the class that it was compiled with. `bytes` is the size
    of everything, `weights` that of the variables where they lie apart, `parameters` how many numbers the model's
    variables have, as far as the file tells; `operators` counts those of TFLite. `code` says in words what loading the
    file runs; empty where it runs nothing.
    """

    model_class: str
    layers: Mapping[str, int]
    custom: tuple[str, ...]
    optimizer: str
    bytes: int
    weights: int | None
    code: tuple[str, ...]
    parameters: int | None = None
    operators: int | None = None


def read_contents(model: ModelFile) -> Contents:
    """What the file holds. Raises UsageError where what it says of itself is no JSON."""
    size = sum(path.stat().st_size for path in model.files)
    nothing = Contents(model_class="", layers={}, custom=(), optimizer="", bytes=size, weights=None, code=())
    try:
        match model.kind:
            case "hdf5" if model.head is not None:
                training = json.loads(model.head.training_config or "{}")
                found = _of_config(
                    json.loads(model.head.model_config), training.get("optimizer_config"), size, weights=None
                )
                return replace(found, parameters=model.head.parameters)
            case "weights" if model.head is not None:
                return replace(nothing, parameters=model.head.parameters)
            case "zip":
                return replace(_of_archive(model.path, size), parameters=parameters_inside(model.path, _WEIGHTS))
            case "directory":
                index = model.path / "variables" / "variables.index"
                found = _of_saved_model(model.path, size)
                return replace(found, parameters=bundle.parameters(index)) if index.is_file() else found
            case "checkpoint":
                (index,) = [path for path in model.files if path.name == f"{model.prefix}.index"]
                return replace(nothing, parameters=bundle.parameters(index))
            case "tflite":
                held = tflite.held(model.path)
                return replace(nothing, parameters=held.parameters, operators=held.operators, custom=held.custom)
    except (
        ValueError,
        RecursionError,
        ProtobufError,
        FlatbufferError,
        zipfile.BadZipFile,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:
        raise UsageError(
            f"{model.path}: what it says of its model is damaged: {error}", fix="save or download the model again"
        ) from error
    return nothing


def _of_archive(path: Path, size: int) -> Contents:
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        weights = sum(each.file_size for each in archive.infolist() if each.filename.endswith(".weights.h5"))
    compiled = config.get("compile_config") or {}
    return _of_config(config, compiled.get("optimizer"), size, weights=weights)


def _of_saved_model(path: Path, size: int) -> Contents:
    """Keras 2 describes every layer in a file of its own; before TensorFlow 2.5 in the graph."""
    variables = sum(each.stat().st_size for each in (path / "variables").glob("*")) or None
    data = memoryview((path / "saved_model.pb").read_bytes())
    # object_graph_def (7), nodes (1), user_object (4): identifier (1), metadata (3).
    told = list(inside(data, 2, 7, 1, 4)) if not (path / _METADATA).is_file() else []
    if not told:
        metadata = path / _METADATA
        # SavedMetadata.nodes (1): identifier (3), metadata (4).
        told = list(inside(memoryview(metadata.read_bytes()), 1)) if metadata.is_file() else []
        numbers = (3, 4)
    else:
        numbers = (1, 3)
    nodes = [node for each in told if (node := _node(each, *numbers)) is not None]
    root = next((each for kind, each in nodes if kind != "_tf_keras_layer"), {})
    whole = root.get("config") or {}
    model = {"class_name": str(root.get("class_name") or ""), "config": whole}
    if "layers" not in whole:
        # A class of its own: what it holds are the nodes.
        model["config"] = {"layers": [each for kind, each in nodes if kind == "_tf_keras_layer"]}
    optimizer = (root.get("training_config") or {}).get("optimizer_config")
    found = _of_config(model, optimizer, size, weights=variables)
    program = "a SavedModel is a program of TensorFlow's operations, which may read and write files when it is called"
    return replace(found, code=(*found.code, program))


def _node(data: memoryview, identifier: int, metadata: int) -> tuple[str, dict[str, Any]] | None:
    kind, text = "", b""
    for number, content in fields(data):
        if number == identifier:
            kind = bytes(content).decode("utf-8", "replace")
        elif number == metadata:
            text = bytes(content)
    if kind not in ("_tf_keras_layer", "_tf_keras_network", "_tf_keras_model", "_tf_keras_sequential") or not text:
        return None
    node = json.loads(text)
    return (kind, node) if isinstance(node, dict) else None


def _of_config(config: Any, optimizer: Any, size: int, *, weights: int | None) -> Contents:
    layers = list(_layers(config))
    names = [_class_of(each) for each in layers]
    return Contents(
        model_class=_class_of(config) if isinstance(config, Mapping) else "",
        layers=dict(Counter(name for name in names if name != "InputLayer").most_common()),
        custom=tuple(dict.fromkeys(_class_of(each) for each in (config, *layers) if _is_custom(each))),
        optimizer=_optimizer(optimizer),
        bytes=size,
        weights=weights,
        code=tuple(dict.fromkeys(_code(config))),
    )


def _layers(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every layer, those of nested models behind their model, and what a wrapper wraps behind it."""
    config = value.get("config") if isinstance(value, Mapping) else value
    if isinstance(config, list):  # Sequential before TensorFlow 2.2
        listed: Sequence[Any] = config
    elif isinstance(config, Mapping):
        listed = config.get("layers") or [config[name] for name in ("layer", "cell") if name in config]
    else:
        return
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, Mapping) and "class_name" in each:
            yield each
            yield from _layers(each)


def _class_of(each: Mapping[str, Any]) -> str:
    return str(each.get("class_name") or "")


def _is_custom(each: Any) -> bool:
    """Whether a class is not Keras's: it was registered, comes from another module, or has no name of Keras's."""
    if not isinstance(each, Mapping):
        return False
    module, registered = each.get("module"), str(each.get("registered_name") or "")
    if ">" in _class_of(each) or ">" in registered:
        return True
    if isinstance(module, str):
        return not any(module == name or module.startswith(f"{name}.") for name in _OF_KERAS)
    return _class_of(each) not in KERAS_LAYERS


def _optimizer(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value or "")
    inner = (value.get("config") or {}).get("inner_optimizer") if isinstance(value.get("config"), Mapping) else None
    name = _class_of(value).rpartition(">")[2]
    return f"{name}({_optimizer(inner)})" if inner else name


def _code(value: Any) -> Iterator[str]:
    """What of a configuration is Python's bytecode, by the layer that has it."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list):
            waiting += each
        elif isinstance(each, Mapping):
            config = each.get("config")
            if isinstance(config, Mapping) and _has_bytecode(config):
                yield f"the {_class_of(each)} {config.get('name')} holds Python bytecode, which runs when it is loaded"
            waiting += each.values()


def _has_bytecode(config: Mapping[str, Any]) -> bool:
    function = config.get("function")
    as_keras_3 = isinstance(function, Mapping) and _class_of(function) == "__lambda__"
    return as_keras_3 or config.get("function_type") == CODE_IN_FILE
