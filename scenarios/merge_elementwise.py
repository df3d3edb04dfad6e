"""Merging layers that work element by element: Add, Subtract, Multiply, Average, Maximum.

Without weights and nearly without config. Loading must keep which tensors go in, and for Subtract their order.
"""

import tensorflow as tf

TAGS = ("layers", "merging")


def build_model():
    features = tf.keras.Input(shape=(4,))
    left = tf.keras.layers.Dense(3)(features)
    right = tf.keras.layers.Dense(3)(features)
    kinds = ("Add", "Subtract", "Multiply", "Average", "Maximum")
    merged = [getattr(tf.keras.layers, kind)()([left, right]) for kind in kinds]
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(tf.keras.layers.Concatenate(axis=-1)(merged)))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
