"""The slope of LeakyReLU is `negative_slope` in Keras 3 and `alpha` in Keras 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.engine.adapters._objects import Object, in_model, with_config

SINCE = "3.0"
SOURCE = "https://github.com/keras-team/keras/blob/v3.0.0/keras/layers/activations/leaky_relu.py"


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """`alpha` is `negative_slope`."""
    return _renamed(document, "alpha", "negative_slope")


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """`negative_slope` is `alpha`."""
    return _renamed(document, "negative_slope", "alpha")


def _renamed(document: Mapping[str, Any], old: str, new: str) -> Mapping[str, Any]:
    def change(each: Object) -> Object:
        if each["class_name"] != "LeakyReLU" or old not in each["config"]:
            return each
        config = {name: value for name, value in each["config"].items() if name != old}
        return with_config(each, {**config, new: _number(each["config"][old])})

    return in_model(document, change)


def _number(value: Any) -> Any:
    """Keras 2 may write the slope as an array of numpy."""
    return value["config"]["value"] if isinstance(value, Mapping) and "config" in value else value
