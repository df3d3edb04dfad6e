"""`TF_USE_LEGACY_KERAS=1`: the same TensorFlow trains with tf-keras, which is Keras 2."""

from __future__ import annotations

from .legacy_keras import ADVICE, LAST_RESORT, NAME, ORDER, PRICE, helps, reader

__all__ = ["ADVICE", "LAST_RESORT", "NAME", "OF", "ORDER", "PRICE", "helps", "reader"]

OF = "the scenario's code"
