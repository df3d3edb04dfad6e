"""Model whose first layer is frozen: trainable = False.

Loaded, the layer must stay frozen, and the optimizer must match its moments to the layers that do train.
"""

import tensorflow as tf

TAGS = ("structure", "training")


def build_model():
    features = tf.keras.Input(shape=(4,))
    frozen = tf.keras.layers.Dense(5, activation="relu", trainable=False)(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(frozen))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
