"""What an activity regularizer adds to the loss is divided by the size of the batch in Keras 2, and whole in Keras 3.

Downwards, functions of TensorFlow add the rest: the penalty without its mean over the batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tfmatrix.engine.adapters._functions import Functions, Reference
from tfmatrix.engine.adapters._objects import Object, in_model, is_model, is_object, objects, with_config

SINCE = "3.0"
ORDER = 41  # downwards behind inbound_nodes, in Keras 2's lists
SOURCE = "https://github.com/keras-team/keras/blob/v3.0.0/keras/layers/layer.py"

_PENALTIES: Final = {"l1": "math.abs", "l2": "math.square"}
"""Argument of the regularizers L1, L2 and L1L2, and the function whose sum it weights."""


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Nothing: Keras 3 has no layer that takes some of a penalty away; tf-keras trains it as before."""
    return document


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """In functional models that are trained: a Sequential has no place for a function, and stays as it is."""
    if document["compile"] is None:
        return document
    return in_model(document, lambda each: _whole(each) if is_model(each) else each)


def limits(document: Mapping[str, Any]) -> Iterator[str]:
    """Penalties that stay divided downwards."""
    if document["compile"] is None:
        return
    for each in objects(document["model"]):
        for layer in each["config"]["layers"] if is_model(each) else ():
            if layer["config"].get("activity_regularizer") is not None and not _is_whole(each, layer):
                yield f"the activity regularizer of {layer['config'].get('name')} is divided by the size of the batch"


def _is_whole(model: Object, layer: Object) -> bool:
    return model["class_name"] != "Sequential" and bool(dict(_weights(layer)))


def _whole(each: Object) -> Object:
    if each["class_name"] == "Sequential":
        return each
    functions = Functions(each)
    for layer in each["config"]["layers"]:
        name = str(layer.get("name") or layer["config"].get("name"))
        weights = dict(_weights(layer))
        for call, _ in enumerate(layer.get("inbound_nodes") or [] if weights else []):
            for penalty, weight in weights.items():
                _add_rest(functions, [name, call, 0], _PENALTIES[penalty], weight, f"{name}_activity_{penalty}")
    return with_config(each, {**each["config"], "layers": [*each["config"]["layers"], *functions.layers]})


def _weights(layer: Object) -> Iterator[tuple[str, float]]:
    regularizer = layer["config"].get("activity_regularizer")
    if is_object(regularizer) and regularizer["class_name"] in ("L1", "L2", "L1L2"):
        yield from ((name, value) for name, value in regularizer["config"].items() if name in _PENALTIES and value)


def _add_rest(functions: Functions, output: Reference, function: str, weight: float, name: str) -> None:
    values = functions.add(function, output, name)
    total = functions.add("math.reduce_sum", values, name)
    mean = functions.add("math.reduce_sum", functions.add("math.reduce_mean", values, name, axis=0), name)
    rest = functions.add("math.multiply", functions.add("math.subtract", total, name, y=mean), name, y=weight)
    functions.layer("AddLoss", {"unconditional": False}, [[*rest, {}]], name)
