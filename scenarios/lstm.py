"""LSTM over a sequence of fixed length.

Its three weights belong to an inner cell, whose names and nesting moved between versions.
"""

import tensorflow as tf

TAGS = ("layers", "recurrent")


def build_model():
    sequence = tf.keras.Input(shape=(5, 3))
    model = tf.keras.Model(sequence, tf.keras.layers.Dense(1)(tf.keras.layers.LSTM(4)(sequence)))
    model.compile(optimizer="rmsprop", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 5, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=(1, 2)).reshape(4, 1)
