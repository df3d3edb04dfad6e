"""Attention of a query over values, with a scale that is trained.

The layer has one weight, and takes a list whose order tells the query from the values.
"""

import tensorflow as tf

TAGS = ("layers", "attention")


def build_model():
    sequence = tf.keras.Input(shape=(5, 3))
    query = tf.keras.layers.Dense(4)(sequence)
    value = tf.keras.layers.Dense(4)(sequence)
    x = tf.keras.layers.Attention(use_scale=True)([query, value])
    x = tf.keras.layers.GlobalAveragePooling1D()(x)
    model = tf.keras.Model(sequence, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 5, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=(1, 2)).reshape(4, 1)
