"""Layers of type bfloat16, which numpy does not know.

HDF5 has no such type either. Upstream: a saved `.h5` could not be loaded,
https://github.com/keras-team/keras/issues/17069; Keras 3 reads any type of two bytes without a name as bfloat16,
https://github.com/keras-team/keras/pull/19091.
"""

import tensorflow as tf

TAGS = ("dtype",)


def build_model():
    features = tf.keras.Input(shape=(4,), dtype="float32")
    hidden = tf.keras.layers.Dense(5, activation="tanh", dtype="bfloat16")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1, dtype="bfloat16")(hidden))
    model.compile(optimizer="sgd", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
