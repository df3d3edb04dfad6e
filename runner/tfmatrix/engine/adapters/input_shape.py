"""The shape of an input with its batch is `batch_shape` in Keras 3; only an InputLayer has it, and never ragged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.engine.adapters._objects import CannotAdaptError, Object, in_model, with_config, without

SINCE = "3.0"
SOURCE = "https://github.com/keras-team/keras/blob/v3.0.0/keras/layers/core/input_layer.py"


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """`batch_input_shape` of an InputLayer is `batch_shape`; other layers do not repeat it."""

    def change(each: Object) -> Object:
        config = each["config"]
        if each["class_name"] != "InputLayer":
            return without(each, "batch_input_shape") if "batch_input_shape" in config else each
        if config.get("ragged"):
            raise CannotAdaptError(
                f"its input {config.get('name')} is ragged, which Keras 3 has no input for",
                "stay on Keras 2, or pad the input",
            )
        kept = {name: value for name, value in config.items() if name not in ("batch_input_shape", "ragged")}
        if "batch_input_shape" in config:
            kept["batch_shape"] = config["batch_input_shape"]
        return with_config(each, kept)

    return in_model(document, change)


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """`batch_shape` is `batch_input_shape`; whether an input may be left out is not known."""

    def change(each: Object) -> Object:
        if each["class_name"] != "InputLayer":
            return each
        config = dict(each["config"])
        if "batch_shape" in config:
            config["batch_input_shape"] = config.pop("batch_shape")
        if config.pop("optional", False):
            raise CannotAdaptError(f"its input {config.get('name')} may be left out, which Keras 2 has no word for")
        return with_config(each, config)

    return in_model(document, change)
