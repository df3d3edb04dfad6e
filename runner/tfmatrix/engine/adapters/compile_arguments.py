"""What compile takes: Keras 3 has no "auto" reduction, sums by other names, and compiles with XLA where it may.

XLA computes the same in another order, so that the old way is asked for explicitly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.engine.adapters._objects import Object, in_compile, with_config

SINCE = "3.0"
SOURCE = "https://github.com/keras-team/keras/blob/v3.0.0/keras/trainers/trainer.py"

_STRINGS = {"huber_loss": "huber", "logcosh": "log_cosh", "kullback_leibler_divergence": "kl_divergence"}


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Explicit reductions, no XLA, strings by their new names."""
    if document["compile"] is None:
        return document

    def change(each: Object) -> Object:
        # Keras 2.13 to 2.15 name the function of a loss that has no choice.
        config = {name: value for name, value in each["config"].items() if name != "fn"}
        if config.get("reduction") in ("auto", "none"):
            config["reduction"] = None if config["reduction"] == "none" else "sum_over_batch_size"
        return with_config(each, config)

    document = in_compile(document, change)
    compiled = {name: _renamed(value) if name != "optimizer" else value for name, value in document["compile"].items()}
    return {**document, "compile": {**compiled, "arguments": {"jit_compile": False}}}


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keras 2 has the reductions under the same names, but for none."""
    if document["compile"] is None:
        return document

    def change(each: Object) -> Object:
        config = dict(each["config"])
        if "reduction" in config and config["reduction"] is None:
            config["reduction"] = "none"
        if config.get("reduction") == "mean":
            config["reduction"] = "sum_over_batch_size"
        return with_config(each, config)

    document = in_compile(document, change)
    return {**document, "compile": {name: value for name, value in document["compile"].items() if name != "arguments"}}


def _renamed(value: Any) -> Any:
    if isinstance(value, str):
        return _STRINGS.get(value, value)
    if isinstance(value, list):
        return [_renamed(item) for item in value]
    if isinstance(value, Mapping) and "class_name" not in value and "wrapped" not in value:
        return {name: _renamed(item) for name, item in value.items()}
    return value
