"""Layers of type float64: weights and computation.

Where a loader falls back to float32, every value is a little off and nothing fails.
"""

import tensorflow as tf

TAGS = ("dtype",)


def build_model():
    features = tf.keras.Input(shape=(4,), dtype="float64")
    hidden = tf.keras.layers.Dense(5, activation="tanh", dtype="float64")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1, dtype="float64")(hidden))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float64")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
