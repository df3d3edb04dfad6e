"""`hard_sigmoid` has the slope 1/5 in Keras 2 and 1/6 in Keras 3; neither has a name for the other's.

Upwards, the activation is a Sequential of two layers, which Keras 3 takes for any activation, in recurrent cells too;
Keras 2 takes only names and its own activation layers. Downwards, a layer of a functional model gives what it computed,
and functions of TensorFlow make `relu6(x + 3) / 6` of it. In a recurrent cell, in a Sequential and under an
activity regularizer there is no place for a function.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tfmatrix.checks.presentation import REDEFINED_ACTIVATIONS
from tfmatrix.engine.adapters._functions import Functions, Reference
from tfmatrix.engine.adapters._objects import Object, in_model, is_model, is_object, objects, with_config
from tfmatrix.engine.adapters.inbound_nodes import RECURRENT

SINCE = "3.0"
ORDER = 42  # downwards behind inbound_nodes, in Keras 2's lists
SOURCE = "https://github.com/keras-team/keras/blob/v3.0.0/keras/backend/tensorflow/nn.py"

_LINEAR = "linear"
_SLOPE, _CUT = {"scale": 0.2, "offset": 0.5}, {"max_value": 1.0}
"""Of Rescaling and ReLU, which make the older one."""


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """`0.2 x + 0.5`, cut at 0 and 1, in the place of the name."""

    def change(each: Object) -> Object:
        named = [name for name, value in each["config"].items() if _is_activation(name, value)]
        if not named:
            return each
        composed = {name: _composed(f"{each['config'].get('name')}_{name}") for name in named}
        return with_config(each, {**each["config"], **composed})

    return in_model(document, change)


def _is_activation(name: str, value: Any) -> bool:
    return name.endswith("activation") and isinstance(value, str) and value in REDEFINED_ACTIVATIONS


def _composed(name: str) -> Object:
    def layer(class_name: str, **config: Any) -> Object:
        return {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None}

    layers = [
        layer("Rescaling", name=f"{name}_slope", **_SLOPE),
        layer("ReLU", name=f"{name}_cut", **_CUT),
    ]
    config = {"name": name, "layers": layers}
    return {"module": "keras", "class_name": "Sequential", "config": config, "registered_name": None}


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The function is behind the layer, where a model has a place for it; what `up` composed has its name again."""
    document = in_model(document, lambda each: _behind(each) if is_model(each) else each)
    return in_model(document, _with_names)


def _with_names(each: Object) -> Object:
    named = {name: REDEFINED_ACTIVATIONS[0] for name, value in each["config"].items() if _is_composed(name, value)}
    return with_config(each, {**each["config"], **named}) if named else each


def _is_composed(name: str, value: Any) -> bool:
    if not name.endswith("activation") or not is_object(value) or not is_model(value):
        return False
    slope, cut = _SLOPE.items(), _CUT.items()
    found = [each["config"].items() for each in value["config"]["layers"] if each["class_name"] != "InputLayer"]
    return len(found) == 2 and slope <= found[0] and cut <= found[1]


def limits(document: Mapping[str, Any]) -> Iterator[str]:
    """Layers that keep the other slope downwards."""
    models = [each for each in objects(document["model"]) if is_model(each) and each["class_name"] != "Sequential"]
    placed = {id(layer) for model in models for layer in model["config"]["layers"] if _has_place(layer)}
    for each in objects(document["model"]):
        named = [name for name, value in each["config"].items() if _is_activation(name, value)]
        if named and id(each) not in placed:
            yield (
                f"{named[0]} of {each['config'].get('name')} is hard_sigmoid, which has another slope in Keras 2, and "
                "no place for a function behind it"
            )


def _has_place(layer: Object) -> bool:
    """Whether a function behind the layer is the same: not where a cell goes on with it, or a penalty is on it."""
    config = layer["config"]
    is_alone = config.get("activity_regularizer") is None and layer["class_name"] not in RECURRENT
    return is_alone and config.get("activation") in REDEFINED_ACTIVATIONS and bool(layer.get("inbound_nodes"))


def _behind(each: Object) -> Object:
    if each["class_name"] == "Sequential":
        return each
    functions = Functions(each)
    results: dict[tuple[str, int], Reference] = {}
    changed: list[Any] = []
    for layer in each["config"]["layers"]:
        name = str(layer.get("name") or layer["config"].get("name"))
        if not _has_place(layer):
            changed.append(layer)
            continue
        changed.append(with_config(layer, {**layer["config"], "activation": _LINEAR}))
        for call, _ in enumerate(layer["inbound_nodes"]):
            moved = functions.add("math.add", [name, call, 0], f"{name}_hard_sigmoid", y=3.0)
            clipped = functions.add("nn.relu6", moved, f"{name}_hard_sigmoid")
            results[name, call] = functions.add("math.multiply", clipped, f"{name}_hard_sigmoid", y=1 / 6)

    def replaced(value: Any) -> Any:
        if isinstance(value, list):
            if len(value) >= 3 and isinstance(value[0], str) and isinstance(value[1], int):
                found = results.get((value[0], value[1]))
                return [*(found or value[:3]), *(replaced(item) for item in value[3:])]
            return [replaced(item) for item in value]
        return {name: replaced(item) for name, item in value.items()} if isinstance(value, Mapping) else value

    def rewired(layer: Object) -> Object:
        return {**layer, "inbound_nodes": replaced(layer["inbound_nodes"])} if "inbound_nodes" in layer else layer

    config = {**each["config"], "layers": [*map(rewired, changed), *functions.layers]}
    return with_config(each, {**config, "output_layers": replaced(config["output_layers"])})
