"""What a preprocessing layer computes in follows from its output mode in Keras 2; Keras 3 names a float and ignores it.

Keras 2 takes the dtype at its word: a lookup that is to give numbers of words refuses a float, a TextVectorization all
but `string`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.checks.presentation import LOOKUPS
from tfmatrix.engine.adapters._objects import Object, in_model, without

SINCE = "3.0"
SOURCE = "https://github.com/keras-team/keras/blob/v3.0.0/keras/layers/preprocessing/index_lookup.py"


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without a dtype: each version has its own for the output mode."""
    return in_model(document, _by_output_mode)


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same."""
    return in_model(document, _by_output_mode)


def _by_output_mode(each: Object) -> Object:
    return without(each, "dtype") if each["class_name"] in LOOKUPS else each
