"""Optimizers: one implementation in Keras 3, with other arguments than the two of Keras 2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tfmatrix.engine.adapters._objects import CannotAdaptError, Object, is_object, with_config

SINCE = "3.0"
SOURCE = "https://github.com/keras-team/keras/blob/v3.0.0/keras/optimizers/base_optimizer.py"

_ONLY_KERAS_2 = ("jit_compile", "is_legacy_optimizer")
_RENAMED = {"LossScaleOptimizerV3": "LossScaleOptimizer"}
_RENAMED_BACK = {new: old for old, new in _RENAMED.items()}
_OPTIMIZERS, _SCHEDULES = "keras.optimizers", "keras.optimizers.schedules"
_ONLY_KERAS_3 = ("loss_scale_factor", "gradient_accumulation_steps")
_BY_MODULE = ("AdamW", "Adafactor", "Lion")
"""Optimizers that Keras 2 finds by their module alone: its list of names has none of them."""


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what only Keras 2 knows; the old `decay` becomes the schedule that it was."""

    def change(each: Object) -> Object:
        config = {name: value for name, value in each["config"].items() if name not in _ONLY_KERAS_2}
        decay = config.pop("decay", 0.0)
        if decay:
            if is_object(config["learning_rate"]):
                raise CannotAdaptError("its optimizer has both a decay and a learning rate schedule")
            config["learning_rate"] = {
                "class_name": "InverseTimeDecay",
                "config": {
                    "initial_learning_rate": config["learning_rate"],
                    "decay_steps": 1,
                    "decay_rate": decay,
                },
            }
        if is_object(config.get("learning_rate")):
            config["learning_rate"] = {"module": _SCHEDULES, "registered_name": None, **config["learning_rate"]}
        if is_object(config.get("inner_optimizer")):
            config["inner_optimizer"] = {
                "module": _OPTIMIZERS,
                "registered_name": None,
                **change(config["inner_optimizer"]),
            }
            if not config.pop("dynamic", True):
                raise CannotAdaptError("its LossScaleOptimizer has a fixed scale, which Keras 3 does not know")
        return {**with_config(each, config), "class_name": _RENAMED.get(each["class_name"], each["class_name"])}

    return _changed(document, change)


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what only Keras 3 knows. Raises CannotAdaptError where that says something."""

    def change(each: Object) -> Object:
        config = dict(each["config"])
        for name in _ONLY_KERAS_3:
            if config.pop(name, None) is not None:
                raise CannotAdaptError(f"its optimizer has {name}, which Keras 2 does not know")
        if is_object(config.get("inner_optimizer")):
            config.pop("name", None)  # the wrapper of Keras 2 has none
            config["inner_optimizer"] = change(config["inner_optimizer"])
        else:
            # Without it Keras 2.11 to 2.15 take a configuration for one of their legacy optimizers.
            config["is_legacy_optimizer"] = False
        if each["class_name"] in _BY_MODULE:
            each = {"module": _OPTIMIZERS, "registered_name": None, **each}
        return {**with_config(each, config), "class_name": _RENAMED_BACK.get(each["class_name"], each["class_name"])}

    return _changed(document, change)


def limits(document: Mapping[str, Any]) -> Iterator[str]:
    """State that no file of Keras 2 keeps."""
    compiled = document["compile"]
    name = compiled["optimizer"]["class_name"] if compiled and is_object(compiled["optimizer"]) else ""
    if name == "Nadam":
        # https://github.com/keras-team/keras/blob/v2.15.0/keras/optimizers/nadam.py: a count in Python decides it.
        yield "Nadam of Keras 2 multiplies its product of momentums once for each variable, and saves it in no file"
    if name in _RENAMED.values():
        yield "no file of Keras 2 keeps how many steps a loss scale has held: it doubles that much later"


def _changed(document: Mapping[str, Any], change: Any) -> Mapping[str, Any]:
    compiled = document["compile"]
    if compiled is None or not is_object(compiled["optimizer"]):
        return document
    return {**document, "compile": {**compiled, "optimizer": change(compiled["optimizer"])}}
