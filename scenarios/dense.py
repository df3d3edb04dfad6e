"""Functional model of two Dense layers with activations.

The plainest model there is: whatever fails here fails everywhere.
"""

import tensorflow as tf

TAGS = ("layers",)


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(8, activation="relu")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(3, activation="softmax")(hidden))
    model.compile(optimizer="sgd", loss="categorical_crossentropy")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, tf.one_hot(rng.randint(3, size=8), 3).numpy()
