"""`keras.layers.TFSMLayer`: Keras 3's way to a SavedModel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfmatrix.worker.remedies import Failing

NAME = "keras.layers.TFSMLayer"
ORDER = 90
LOADER = "savedmodel-tfsm"
PRICE = "a layer for inference: neither configuration nor training"
ADVICE = "load with `keras.layers.TFSMLayer`: predicts, but is no model to train"


def helps(failing: Failing) -> bool:
    """For a SavedModel in Keras 3."""
    return failing.is_saved_model and failing.keras >= (3,) and (failing.is_refused or failing.may_load_less)
