"""Discretization whose boundaries were learned from data.

Upstream: in Keras 3 a layer made with `num_bins` could not always be loaded,
https://github.com/keras-team/keras/pull/20971.
"""

import numpy as np
import tensorflow as tf

REQUIRES = "tensorflow>=2.6"
TAGS = ("layers", "preprocessing")


def build_model():
    discretize = tf.keras.layers.Discretization(num_bins=4)
    discretize.adapt(np.linspace(-1.0, 1.0, 40, dtype="float32").reshape(10, 4))
    features = tf.keras.Input(shape=(4,))
    x = tf.keras.layers.Flatten()(tf.keras.layers.Embedding(4, 2)(discretize(features)))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
