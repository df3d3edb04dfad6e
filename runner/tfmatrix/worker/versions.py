"""Which TensorFlow this is, and which Keras `tf.keras` is there."""

from __future__ import annotations

import sys


def versions() -> dict[str, str]:
    """Versions of TensorFlow and of the Keras behind `tf.keras`: {"tensorflow": …, "keras": …}."""
    import tensorflow as tf

    # Part of TensorFlow until 2.5, then the package keras, or tf_keras where TF_USE_LEGACY_KERAS asks for it.
    package = tf.keras.layers.Layer.__module__.split(".")[0]
    keras = tf.keras if package == "tensorflow" else sys.modules[package]
    return {"tensorflow": tf.__version__, "keras": str(keras.__version__)}
