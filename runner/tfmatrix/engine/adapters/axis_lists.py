"""The axis of a BatchNormalization is a number in Keras 3; Keras 2 writes a list of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.engine.adapters._objects import CannotAdaptError, Object, in_model, with_config

SINCE = "3.0"
SOURCE = "https://github.com/keras-team/keras/blob/v3.0.0/keras/layers/normalization/batch_normalization.py"


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one axis of the list."""

    def change(each: Object) -> Object:
        axis = each["config"].get("axis")
        if each["class_name"] not in ("BatchNormalization", "SyncBatchNormalization") or not isinstance(axis, list):
            return each
        if len(axis) != 1:
            raise CannotAdaptError(
                f"its BatchNormalization {each['config'].get('name')} has the axes {axis}; Keras 3 has one",
                "keep this model on Keras 2 (tf-keras)",
            )
        return with_config(each, {**each["config"], "axis": axis[0]})

    return in_model(document, change)


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Nothing: Keras 2 takes a number."""
    return document
