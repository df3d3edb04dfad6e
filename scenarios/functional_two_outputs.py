"""Functional model with two outputs, a loss each, and loss weights.

Loading must keep the order of the outputs and which loss belongs to which.
"""

import tensorflow as tf

TAGS = ("structure", "training")


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(6, activation="tanh")(features)
    first = tf.keras.layers.Dense(1, name="first")(hidden)
    second = tf.keras.layers.Dense(2, name="second")(hidden)
    model = tf.keras.Model(features, [first, second])
    model.compile(optimizer="adam", loss=["mse", "mae"], loss_weights=[1.0, 0.5])
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, [x.sum(axis=1, keepdims=True), x[:, :2]]
