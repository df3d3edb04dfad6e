"""`tf.saved_model.load`: functions and variables, without Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfmatrix.worker.remedies import Failing

NAME = "tf.saved_model.load"
ORDER = 100
LOADER = "savedmodel-raw"
PRICE = "functions and variables for inference: no Keras model"
ADVICE = "load with `tf.saved_model.load`: functions to call, no Keras model"


def helps(failing: Failing) -> bool:
    """For a SavedModel."""
    return failing.is_saved_model and (failing.is_refused or failing.may_load_less)
