"""An embedding's gradient has a part for each time that a token comes up. Keras 2 adds them up before the optimizer's
step; Keras 3 hands them on, so that its optimizers add up the squares of the parts in place of the square of their sum.

A regularizer of weight 0 makes the gradient dense, with the sum in it, and changes nothing else. Keras 2 has no way
back: measured with 2.15.1, every optimizer of either generation sums first, with and without that regularizer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tfmatrix.engine.adapters._objects import Object, in_model, is_object, objects, with_config

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
    if not _squares(document):
        return document

    def change(each: Object) -> Object:
        if each["class_name"] != "Embedding" or each["config"].get("embeddings_regularizer") is not None:
            return each
        return with_config(each, {**each["config"], "embeddings_regularizer": dict(_NOTHING)})

    return in_model(document, change)


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Nothing: Keras 2 has no way to leave the parts apart."""
    return document


def limits(document: Mapping[str, Any]) -> Iterator[str]:
    """Embeddings whose parts are added up first downwards."""
    if not _squares(document):
        return
    for each in objects(document["model"]):
        if each["class_name"] == "Embedding" and each["config"].get("embeddings_regularizer") is None:
            yield (
                f"where a token comes up twice in a batch, {document['compile']['optimizer']['class_name']} of Keras 2 "
                f"squares the sum of its gradients in {each['config'].get('name')}, Keras 3 sums the squares"
            )


def _squares(document: Mapping[str, Any]) -> bool:
    """Whether the model is trained by an optimizer to which it matters."""
    compiled = document["compile"]
    if compiled is None or not is_object(compiled["optimizer"]):
        return False
    return compiled["optimizer"]["class_name"] not in _LINEAR
