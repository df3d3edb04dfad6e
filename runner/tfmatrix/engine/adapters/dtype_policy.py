"""A dtype policy is a `DTypePolicy` in Keras 3, and a `Policy` of `keras.mixed_precision` in Keras 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.engine.adapters._objects import Object, in_model

SINCE = "3.0"
SOURCE = "https://github.com/keras-team/keras/blob/v3.0.0/keras/mixed_precision/dtype_policy.py"


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A policy is named by its string, which both know."""
    return in_model(document, _named)


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same: only what both know has a name."""
    return in_model(document, _named)


def _named(each: Object) -> Any:
    if each["class_name"] in ("Policy", "DTypePolicy", "FloatDTypePolicy") and "name" in each["config"]:
        return each["config"]["name"]
    return each
