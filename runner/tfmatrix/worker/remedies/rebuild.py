"""The model from its code, and `load_weights` of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfmatrix.worker.loading import Loading
    from tfmatrix.worker.remedies import Failing

NAME = "rebuild from code + load_weights"
ORDER = 40
PRICE = "whoever loads the model needs the code that builds it"
ADVICE = "build the model from its code, and read the file with `load_weights`"


def helps(failing: Failing) -> bool:
    """Where the code is there."""
    return failing.has_code and failing.may_load_less


def change(loading: Loading) -> None:
    """Loads the weights alone."""

    def instead() -> Any:
        model = loading.build()
        optimizer: Any = getattr(model, "optimizer", None)
        if hasattr(optimizer, "build") and loading.path.endswith(".keras"):
            # Keras 3 restores the optimizer of a `.keras` file, too, where it has its variables already.
            optimizer.build(model.trainable_variables)
        model.load_weights(loading.weights)
        return model

    loading.instead = instead
