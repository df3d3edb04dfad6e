"""A Lambda layer whose Python code runs when the model is loaded.

Keras reads the bytecode of a Python lambda from the file, and calls it to find the shape of what it gives. From 2.13 on
`load_model` refuses that unless it is called with `safe_mode=False` (CVE-2024-3660); Keras 3 did not look at it in HDF5
files before 3.11.3 (CVE-2025-9905, https://github.com/keras-team/keras/pull/21602).
"""

import tensorflow as tf
from _planted import is_marked

FORMATS = ("h5", "h5-unsafe", "keras", "keras-unsafe", "savedmodel")
TAGS = ("executes", "upstream")


def build_model():
    features = tf.keras.Input((4,))
    planted = tf.keras.layers.Lambda(lambda x: (open("executed", "w").close(), x)[1])  # noqa: PTH123
    return tf.keras.Model(features, tf.keras.layers.Dense(2)(planted(features)))


def inputs(rng):
    return rng.uniform(size=(3, 4)).astype("float32")


def executed():
    return is_marked()
