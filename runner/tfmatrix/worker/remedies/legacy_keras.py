"""`TF_USE_LEGACY_KERAS=1`: the same TensorFlow reads with tf-keras, which is Keras 2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from tfmatrix.worker.remedies import Failing

NAME = "TF_USE_LEGACY_KERAS=1"
ORDER = 120
LAST_RESORT = True
PRICE = "the program runs on tf-keras, which is Keras 2, and needs that package"
ADVICE = "install tf-keras and set `TF_USE_LEGACY_KERAS=1`: the code stays on Keras 2"


def helps(failing: Failing) -> bool:
    """Where the matrix has such an environment."""
    return failing.legacy_reader is not None


def reader(failing: Failing) -> Optional[str]:
    """The environment that reads."""
    return failing.legacy_reader
