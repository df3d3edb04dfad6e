"""Functional model with two named inputs, fed by a dictionary.

Loading must keep which input is which.
"""

import tensorflow as tf

TAGS = ("structure",)


def build_model():
    left = tf.keras.Input(shape=(3,), name="left")
    right = tf.keras.Input(shape=(2,), name="right")
    joined = tf.keras.layers.concatenate([tf.keras.layers.Dense(4)(left), right])
    model = tf.keras.Model({"left": left, "right": right}, tf.keras.layers.Dense(1)(joined))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return {
        "left": rng.uniform(-1.0, 1.0, size=(8, 3)).astype("float32"),
        "right": rng.uniform(-1.0, 1.0, size=(8, 2)).astype("float32"),
    }


def training_data(rng):
    x = inputs(rng)
    return x, x["left"].sum(axis=1, keepdims=True) - x["right"].sum(axis=1, keepdims=True)
