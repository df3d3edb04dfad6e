"""x·sigmoid(x) is `silu` in Keras 3, which still reads `swish`, and `swish` in Keras 2, which knows no other name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.checks.presentation import FUNCTION_ALIASES
from tfmatrix.engine.adapters._objects import Object, in_model, with_config

SINCE = "3.0"
SOURCE = "https://github.com/keras-team/keras/blob/v3.0.0/keras/activations/__init__.py"


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """`swish` is `silu`."""
    return _renamed(document, FUNCTION_ALIASES)


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """`silu` is `swish`."""
    return _renamed(document, {new: old for old, new in FUNCTION_ALIASES.items()})


def _renamed(document: Mapping[str, Any], names: Mapping[str, str]) -> Mapping[str, Any]:
    def change(each: Object) -> Object:
        named = {
            key: names[value]
            for key, value in each["config"].items()
            if key.endswith("activation") and isinstance(value, str) and value in names
        }
        return with_config(each, {**each["config"], **named}) if named else each

    return in_model(document, change)
