"""Integers into a Dense layer, without a layer that casts them.

The type of the input belongs to the model; a reader that takes it for float32 still computes, but has other
signatures.
"""

import tensorflow as tf

TAGS = ("dtype",)


def build_model():
    counts = tf.keras.Input(shape=(4,), dtype="int32")
    model = tf.keras.Model(counts, tf.keras.layers.Dense(1)(counts))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.randint(10, size=(8, 4)).astype("int32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True).astype("float32")
