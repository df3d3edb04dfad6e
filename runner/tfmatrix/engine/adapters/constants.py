"""A constant that a layer is called on, as an initial state, is a tensor in Keras 3's configuration.

Keras 2 writes it as a list of numbers, and reads that as an argument without a shape. A function of TensorFlow that
adds the constant to zeros gives the same tensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.engine.adapters._functions import Functions
from tfmatrix.engine.adapters._objects import Object, in_model, is_model, with_config
from tfmatrix.engine.adapters.inbound_nodes import CONSTANT, FUNCTIONS

SINCE = "3.0"
ORDER = 40  # downwards behind inbound_nodes, in Keras 2's lists
SOURCE = "https://github.com/keras-team/keras/issues/18367"


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Nothing: Keras 2 reads no file that has one."""
    return document


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Constants come from functions; those that a function is called on are numbers."""
    return in_model(document, lambda each: _without_constants(each) if is_model(each) else each)


def _without_constants(each: Object) -> Object:
    functions = Functions(each)

    def node(layer: Object, given: Any) -> Any:
        if layer["class_name"] in FUNCTIONS:
            return _numbers(given)
        first = next((item for item in given if isinstance(item, list) and item[0] != CONSTANT), None)
        if first is None:
            return given
        return [_tensor(item, first, layer) if _is_constant(item) else item for item in given]

    def _tensor(item: list[Any], first: list[Any], layer: Object) -> list[Any]:
        constant = item[2]["config"]
        name = f"{layer['config'].get('name')}_constant"
        zeros = functions.add("zeros_like", first, name, dtype=constant["dtype"])
        zero = functions.add("math.reduce_sum", zeros, name)
        return [*functions.add("math.add", zero, name, y=constant["value"])[:3], *item[3:]]

    layers = [
        {**layer, "inbound_nodes": [node(layer, given) for given in layer["inbound_nodes"]]}
        if layer.get("inbound_nodes")
        else layer
        for layer in each["config"]["layers"]
    ]
    return with_config(each, {**each["config"], "layers": [*layers, *functions.layers]})


def _is_constant(item: Any) -> bool:
    if not isinstance(item, list) or len(item) < 3 or item[0] != CONSTANT:
        return False
    return isinstance(item[2], Mapping) and item[2].get("class_name") == "__tensor__"


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if value.get("class_name") == "__tensor__":
        return value["config"]["value"]
    return {name: _numbers(item) for name, item in value.items()}
