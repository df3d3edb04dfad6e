"""`load_weights` after `load_model`: Keras 2 leaves the optimizer in the checkpoint of a SavedModel."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfmatrix.worker.loading import Loading
    from tfmatrix.worker.remedies import Failing

NAME = "load_weights after load_model"
ORDER = 35
PRICE = ""
ADVICE = "load the model, then read its weights with `load_weights` from the same file"


def helps(failing: Failing) -> bool:
    """Where Keras 2 read a SavedModel, and something of it is missing."""
    return failing.drifts and failing.is_saved_model and failing.keras < (3,) and not failing.is_refused


def change(loading: Loading) -> None:
    """Loads the checkpoint of the SavedModel into the model."""
    loading.afterwards.append(lambda model: model.load_weights(loading.weights))
