"""`custom_objects` with Keras's own classes, for a short name that the loader does not know.

Keras 2 writes the loss and the metrics of an HDF5 file as they were given, and Keras 3 looks short ones up among its
functions, where they are not: `{"mse": MeanSquaredError()}` tells it, and the model is compiled as before; see
https://github.com/keras-team/keras/issues/19330. What Keras 3 loses of an optimizer in HDF5 is lost all the same.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Dict, List

if TYPE_CHECKING:
    from tfmatrix.worker.loading import Loading
    from tfmatrix.worker.remedies import Failing

NAME = "custom_objects of Keras's own classes"
ORDER = 10
PRICE = 'the short name of the loss or metric is spelled out: custom_objects={"mse": keras.losses.MeanSquaredError()}'
ADVICE = "give the loader Keras's own losses and metrics by their short names, as `custom_objects`"

SHORT = {
    "mse": "MeanSquaredError",
    "mae": "MeanAbsoluteError",
    "mape": "MeanAbsolutePercentageError",
    "msle": "MeanSquaredLogarithmicError",
    "bce": "BinaryCrossentropy",
    "kld": "KLDivergence",
    "kl_divergence": "KLDivergence",
    "kullback_leibler_divergence": "KLDivergence",
    "cosine_proximity": "CosineSimilarity",
    "logcosh": "LogCosh",
    "log_cosh": "LogCosh",
    "huber_loss": "Huber",
}
"""Short names of losses, and the class of `keras.losses` that each stands for."""

_UNKNOWN = re.compile(
    r"(?:Could not (?:locate (?:class|function)|deserialize|interpret [\w ]+ identifier:?)"
    r"|Unknown (?:loss|metric)(?: function)?:?)[^\w]+(?:keras\.\w+\.)?(\w+)"
)


def helps(failing: Failing) -> bool:
    """Where the loader says that it does not know such a name."""
    return bool(unknown(failing.error))


def change(loading: Loading) -> None:
    """Loads again with each name that the loader does not know, one after the other, as a person does.

    No others: where Keras 3 does know a metric by its short name, an object in its place stops it.
    """

    def instead() -> Any:
        import tensorflow as tf

        told: Dict[str, Any] = {}
        while True:
            given = dict(told, **(loading.custom_objects or {}))
            try:
                return tf.keras.models.load_model(loading.path, custom_objects=given)
            except Exception as error:
                names = [name for name in unknown(str(error)) if name not in given]
                if not names:
                    raise
                told.update({name: getattr(tf.keras.losses, SHORT[name.lower()])() for name in names})

    loading.instead = instead


def unknown(message: str) -> List[str]:
    """The short names that an exception is about."""
    return [name for name in _UNKNOWN.findall(message) if name.lower() in SHORT]
