"""Activation hard_sigmoid, given by its name.

A name is all that a file keeps of an activation: what it computes is the reader's own. That of `hard_sigmoid` has the
slope 1/5 in Keras 2 and 1/6 in Keras 3, both clipped to 0 and 1.
"""

import tensorflow as tf

TAGS = ("layers", "activation")


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(6, activation="hard_sigmoid")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
