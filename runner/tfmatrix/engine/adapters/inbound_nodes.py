"""What a layer of a functional model is called on: positional and named arguments in Keras 3, a list in Keras 2.

Keras 2 counts the calls of a nested model from 1, because building it was the first. Keras 3 does so for the outputs of
a functional one only; it still reads Keras 2's list, but takes the wrong call of a nested model from it, and loops for
ever on a shared one (3.0 to 3.8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tfmatrix.engine.adapters._objects import CannotAdaptError, Object, in_model, is_model, is_object, with_config

SINCE = "3.0"
ORDER = 50
SOURCE = "https://github.com/keras-team/keras/blob/v3.0.0/keras/models/functional.py"

RECURRENT = ("Bidirectional", "LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
"""Layers that Keras 2 calls on a list of the sequence and its initial states."""

FUNCTIONS = ("TFOpLambda", "SlicingOpLambda")
"""Layers of Keras 2 that call a function of TensorFlow."""

_POSITIONAL = {"MultiHeadAttention": ("query", "value", "key")}
CONSTANT = "_CONSTANT_VALUE"
"""Stands for the layer where Keras 2 calls one on no tensor."""


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Lists become arguments."""

    def change(each: Object) -> Object:
        if not is_model(each) or each["class_name"] == "Sequential":
            return each
        nested = _nested(each)

        def tensor(reference: list[Any]) -> dict[str, Any]:
            name, call, output = reference[:3]
            return {
                "class_name": "__keras_tensor__",
                "config": {
                    "shape": [None],
                    "dtype": "float32",
                    "keras_history": [name, call - (name in nested), output],
                },
            }

        def node(layer: Object, given: Any) -> dict[str, Any]:
            if isinstance(given, Mapping):
                return dict(given) if "args" in given else {"args": [_structure(given, tensor)], "kwargs": {}}
            if given and _is_reference(given):
                given = [given]
            kwargs = _merged(item[3] for item in _references(given) if len(item) > 3)
            kwargs = {name: _structure(value, tensor, names) for name, value in kwargs.items() if value is not None}
            first = [_structure(item, tensor) for item in given]
            if layer["class_name"] in RECURRENT and len(first) > 1:
                return {"args": first[:1], "kwargs": {**kwargs, "initial_state": first[1:]}}
            return {"args": [first[0] if len(first) == 1 else first], "kwargs": kwargs}

        names = {item.get("name") or item["config"].get("name") for item in each["config"]["layers"]}
        layers = [
            {**layer, "inbound_nodes": [node(layer, given) for given in layer.get("inbound_nodes") or []]}
            for layer in each["config"]["layers"]
        ]
        config = {**each["config"], "layers": layers}
        sequential = {name for name, kind in nested.items() if kind == "Sequential"}
        config["output_layers"] = _shifted(config["output_layers"], sequential, -1)
        return with_config(each, config)

    return in_model(document, change)


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Arguments become lists."""

    def change(each: Object) -> Object:
        if not is_model(each) or each["class_name"] == "Sequential":
            return each
        nested = _nested(each)

        def reference(value: Any) -> Any:
            if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
                name, call, output = value["config"]["keras_history"]
                return [name, call + (name in nested), output]
            if isinstance(value, list):
                return [reference(item) for item in value]
            if isinstance(value, Mapping):
                return {name: reference(item) for name, item in value.items()}
            return value

        def node(layer: Object, given: Any) -> Any:
            if not isinstance(given, Mapping) or "args" not in given:
                return given
            args = [reference(value) for value in given["args"]]
            kwargs = {name: reference(value) for name, value in given["kwargs"].items() if value is not None}
            names = _POSITIONAL.get(layer["class_name"], ())
            if len(args) > max(1, len(names)):
                raise CannotAdaptError(f"its layer {layer['config'].get('name')} is called on several arguments")
            kwargs.update(zip(names[1:], args[1:], strict=False))
            first = args[0] if args else kwargs.pop(names[0] if names else "inputs")
            several = first if isinstance(first, list) and not _is_reference(first) else [first]
            if layer["class_name"] in RECURRENT and isinstance(kwargs.get("initial_state"), list):
                states = kwargs.pop("initial_state")
                several = [*several, *([states] if _is_reference(states) else states)]
            if layer["class_name"] in FUNCTIONS and len(several) == 1 and several[0] is first:
                # They are called on what stands there, and not on the one tensor of a list.
                return [*(first if _is_reference(first) else (CONSTANT, -1, first)), kwargs]
            return [[*(item if _is_reference(item) else (CONSTANT, -1, item)), kwargs] for item in several]

        layers = [
            {
                **layer,
                "name": layer.get("name") or layer["config"].get("name"),
                "inbound_nodes": [node(layer, given) for given in layer.get("inbound_nodes") or []],
            }
            for layer in each["config"]["layers"]
        ]
        config = {**each["config"], "layers": layers}
        sequential = {name for name, kind in nested.items() if kind == "Sequential"}
        config["output_layers"] = _several(_shifted(config["output_layers"], sequential, 1))
        config["input_layers"] = _several(config["input_layers"])
        return with_config(each, config)

    return in_model(document, change)


def _nested(each: Object) -> dict[str, str]:
    """Name to class of the models among the layers."""
    return {
        str(item.get("name") or item["config"].get("name")): str(item["class_name"])
        for item in each["config"]["layers"]
        if is_object(item) and is_model(item)
    }


def _is_reference(value: Any) -> bool:
    """Whether a list names a tensor: a layer, which of its calls, which of its outputs."""
    if not isinstance(value, list) or not 3 <= len(value) <= 4 or not isinstance(value[0], str):
        return False
    return value[0] == CONSTANT or (isinstance(value[1], int) and isinstance(value[2], int))


def _references(value: Any) -> list[list[Any]]:
    if _is_reference(value):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [found for item in value for found in _references(item)] if isinstance(value, list) else []


def _structure(value: Any, tensor: Callable[[list[Any]], Any], names: set[Any] | None = None) -> Any:
    """A structure with what its references name. `names`: only those of these layers are references."""
    if _is_reference(value):
        if value[0] == CONSTANT:
            return value[2]
        if names is None or value[0] in names:
            return tensor(value)
    if isinstance(value, list):
        return [_structure(item, tensor, names) for item in value]
    if isinstance(value, Mapping):
        return {name: _structure(item, tensor, names) for name, item in value.items()}
    return value


def _merged(several: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in several:
        found.update(each or {})
    return found


def _shifted(value: Any, names: set[str], by: int) -> Any:
    if _is_reference(value):
        return [value[0], value[1] + by, value[2]] if value[0] in names else list(value)
    if isinstance(value, list):
        return [_shifted(item, names, by) for item in value]
    if isinstance(value, Mapping):
        return {name: _shifted(item, names, by) for name, item in value.items()}
    return value


def _several(value: Any) -> Any:
    return [value] if _is_reference(value) else value
