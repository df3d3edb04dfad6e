"""Discretization with boundaries as an argument.

Upstream: in Keras 3 the same layer gave other bins inside a graph than outside of one, which is how a SavedModel calls
it, https://github.com/keras-team/keras/issues/20981 and https://github.com/keras-team/keras/issues/21468.
"""

import tensorflow as tf

REQUIRES = "tensorflow>=2.6"
TAGS = ("layers", "preprocessing")


def build_model():
    features = tf.keras.Input(shape=(4,))
    bins = tf.keras.layers.Discretization(bin_boundaries=[-0.5, -0.1, 0.2, 0.6])(features)
    x = tf.keras.layers.Flatten()(tf.keras.layers.Embedding(5, 2)(bins))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
