"""GRU with reset_after, which gives it two rows of biases.

With `reset_after=False` the bias has one row, and one kind does not load into the other.
"""

import tensorflow as tf

TAGS = ("layers", "recurrent")


def build_model():
    sequence = tf.keras.Input(shape=(5, 3))
    model = tf.keras.Model(sequence, tf.keras.layers.Dense(1)(tf.keras.layers.GRU(4, reset_after=True)(sequence)))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 5, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=(1, 2)).reshape(4, 1)
