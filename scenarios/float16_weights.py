"""Layers of type float16: weights and computation.

Every value read as float32 on the way is rounded again at most; a layer that comes back as float32 computes something
else.
"""

import tensorflow as tf

TAGS = ("dtype",)


def build_model():
    features = tf.keras.Input(shape=(4,), dtype="float16")
    hidden = tf.keras.layers.Dense(5, activation="tanh", dtype="float16")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1, dtype="float16")(hidden))
    model.compile(optimizer="sgd", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float16")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
