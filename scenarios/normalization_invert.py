"""Normalization layer that undoes a normalization: invert=True.

Upstream: `invert` was lost on the way through the file, and the loaded layer normalized,
https://github.com/keras-team/keras/issues/17556 and https://github.com/keras-team/keras/issues/17486.
"""

import tensorflow as tf

REQUIRES = "tensorflow>=2.10"
TAGS = ("layers", "preprocessing")


def build_model():
    features = tf.keras.Input(shape=(4,))
    scaled = tf.keras.layers.Dense(1)(features)
    model = tf.keras.Model(features, tf.keras.layers.Normalization(mean=3.0, variance=4.0, invert=True)(scaled))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
