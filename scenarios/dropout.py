"""Dropout between two Dense layers.

Nothing is dropped in inference. In training the seed is set aside: writer and reader start from the same one, so that
their losses can be compared.
"""

import tensorflow as tf

TAGS = ("layers",)


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(8, activation="relu")(features)
    dropped = tf.keras.layers.Dropout(0.5)(hidden)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(dropped))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
