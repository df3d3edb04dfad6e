"""An embedding's gradient has a part for each time that a token comes up. Keras 2 adds them up before the optimizer's
step; Keras 3 hands them on, so that its optimizers add up the squares of the parts in place of the square of their sum.

A regularizer of weight 0 makes the gradient dense, with the sum in it, and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tfmatrix.engine.adapters._objects import Object, in_model, is_object, with_config

SINCE = "3.0"
SOURCE = "https://github.com/keras-team/keras/blob/v3.0.0/keras/backend/tensorflow/optimizer.py"

_LINEAR: Final = ("SGD",)
"""Optimizers to which the sum of the parts is the same as one after the other."""

_NOTHING: Final = {
    "module": "keras.regularizers",
    "class_name": "L2",
    "config": {"l2": 0.0},
    "registered_name": None,
}


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Embeddings of a model that is trained have a regularizer that adds nothing."""
    compiled = document["compile"]
    if compiled is None or not is_object(compiled["optimizer"]) or compiled["optimizer"]["class_name"] in _LINEAR:
        return document

    def change(each: Object) -> Object:
        if each["class_name"] != "Embedding" or each["config"].get("embeddings_regularizer") is not None:
            return each
        return with_config(each, {**each["config"], "embeddings_regularizer": dict(_NOTHING)})

    return in_model(document, change)


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Nothing: Keras 2 has no way to leave the parts apart."""
    return document
