"""A Discretization that numbers its bins has the dtype of the numbers before Keras 3.12, and since then of its inputs.

With the older dtype the newer version takes whole numbers of the inputs, and with the newer one the older gives floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.checks.presentation import is_numbering
from tfmatrix.engine.adapters._objects import Object, in_model, without

SINCE = "3.12"
SOURCE = "https://github.com/keras-team/keras/blob/v3.12.0/keras/src/layers/preprocessing/discretization.py"


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without a dtype: each version has its own for the output mode."""
    return in_model(document, _by_output_mode)


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same."""
    return in_model(document, _by_output_mode)


def _by_output_mode(each: Object) -> Object:
    return without(each, "dtype") if is_numbering(each["class_name"], each["config"]) else each
