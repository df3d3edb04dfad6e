"""Keras 3 finds a class by the module that its serialized form names; Keras 2's legacy form names the class alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.engine.adapters._objects import Object, in_model, is_model

SINCE = "3.0"
ORDER = -90
SOURCE = "https://github.com/keras-team/keras/blob/v3.0.0/keras/saving/serialization_lib.py"

_FUNCTIONAL = {"module": "keras.src.models.functional", "class_name": "Functional", "registered_name": "Functional"}
_MODELS: Mapping[str, Mapping[str, Any]] = {
    "Functional": _FUNCTIONAL,
    "Model": _FUNCTIONAL,
    "Sequential": {"module": "keras", "class_name": "Sequential", "registered_name": None},
}
"""As Keras 3 itself names them."""


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Layers and models say where their class lives; what a user registered says under which name."""

    def change(each: Object) -> Object:
        name = str(each["class_name"])
        # What a layer was built on is told by what it is called on; Keras 3 takes other arguments there.
        each = {key: value for key, value in each.items() if key != "build_config"}
        if ">" in name:
            return {**each, "module": None, "class_name": name.rpartition(">")[2], "registered_name": name}
        if is_model(each) and name in _MODELS:
            return {**each, **_MODELS[name]}
        if each.get("registered_name"):
            return each
        if "module" in each or not ("inbound_nodes" in each or _is_layer(each)):
            return each
        return {**each, "module": "keras.layers", "registered_name": None}

    return in_model(document, change)


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Classes by their name, or by the one that a user registered them under."""
    gone = ("module", "registered_name", "build_config", "compile_config")

    def change(each: Object) -> Object:
        registered = each.get("registered_name")
        result = {name: value for name, value in each.items() if name not in gone}
        if registered and ">" in str(registered):
            result["class_name"] = registered
        return result

    return in_model(document, change)


def _is_layer(each: Object) -> bool:
    """Layers have a name among their arguments, whatever else they have; initializers and the like have none."""
    return "name" in each["config"] and "trainable" in each["config"]
