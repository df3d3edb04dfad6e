"""`custom_objects` with Keras's own classes, for a short name that the loader does not know.

Keras 2 writes the loss and the metrics of an HDF5 file as they were given, and Keras 3 looks short ones up among its
functions, where they are not: `{"mse": MeanSquaredError()}` tells it. Nothing is lost this way; see
https://github.com/keras-team/keras/issues/19330.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Dict

if TYPE_CHECKING:
    from tfmatrix.worker.loading import Loading
    from tfmatrix.worker.remedies import Failing

NAME = "custom_objects of Keras's own classes"
ORDER = 10
PRICE = 'the short name of the loss or metric is spelled out: custom_objects={"mse": keras.losses.MeanSquaredError()}'

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
    return any(name.lower() in SHORT for name in _UNKNOWN.findall(failing.error))


def change(loading: Loading) -> None:
    """Adds them, in small and capital letters, to what the scenario's user passes."""
    loading.custom_objects = dict(objects(), **(loading.custom_objects or {}))


def objects() -> Dict[str, Any]:
    """Name to object, of those that this version has."""
    import tensorflow as tf

    found: Dict[str, Any] = {}
    for name, owner in SHORT.items():
        if hasattr(tf.keras.losses, owner):
            found[name] = found[name.upper()] = getattr(tf.keras.losses, owner)()
    return found
