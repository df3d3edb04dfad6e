"""Layers with the policy mixed_float16: computation in float16, weights in float32.

The policy stands in the config of each layer, in Keras 2 as its name or as an object, in Keras 3 as an object of
another class. Upstream: https://github.com/keras-team/keras/issues/17362.
"""

import tensorflow as tf

TAGS = ("dtype", "training")


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(5, activation="tanh", dtype="mixed_float16")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1, dtype="float32")(hidden))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
