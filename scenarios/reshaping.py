"""Reshape, Permute and RepeatVector.

Shapes in a config are tuples, which JSON makes lists of.
"""

import tensorflow as tf

TAGS = ("layers", "reshaping")


def build_model():
    features = tf.keras.Input(shape=(4,))
    x = tf.keras.layers.RepeatVector(3)(features)
    x = tf.keras.layers.Permute((2, 1))(x)
    x = tf.keras.layers.Reshape((2, 6))(x)
    x = tf.keras.layers.Flatten()(tf.keras.layers.Dense(2)(x))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
