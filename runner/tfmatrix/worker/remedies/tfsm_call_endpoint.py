"""`TFSMLayer` of the function that Keras 2 calls, instead of a signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfmatrix.worker.loading import Loading
    from tfmatrix.worker.remedies import Failing

NAME = 'TFSMLayer(call_endpoint="__call__")'
ORDER = 92
OF = "keras.layers.TFSMLayer"
PRICE = ""
ADVICE = 'give `keras.layers.TFSMLayer` the argument `call_endpoint="__call__"`'


def helps(failing: Failing) -> bool:
    """Where the layer is there and cannot be called.

    It passes its inputs on as one argument, and a signature of several inputs takes none by position.
    """
    return failing.is_saved_model and failing.drifts and "outputs" in failing.failed_checks


def change(loading: Loading) -> None:
    """Names the function, which takes a list or a dictionary as the model did."""

    def instead() -> Any:
        import tensorflow as tf

        return tf.keras.layers.TFSMLayer(loading.path, call_endpoint="__call__")

    loading.instead = instead
