"""Normalization layer with the mean and variance of adapted data.

They are weights that nothing trains. Upstream: read from `.h5` in Keras 3 they were restored, but the values computed
from them were not, https://github.com/keras-team/keras/pull/20163.
"""

import numpy as np
import tensorflow as tf

REQUIRES = "tensorflow>=2.6"
TAGS = ("layers", "preprocessing")


def build_model():
    layer = tf.keras.layers.Normalization()
    layer.adapt(np.array([[1.0, -2.0, 0.0, 5.0], [3.0, 2.0, 0.5, 1.0], [2.0, 4.0, 4.0, 0.0]], dtype="float32"))
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(layer(features)))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
