"""Conv1D with causal padding and dilation.

Both are arguments of the config that leave the shape of the weights and of the outputs as it is.
"""

import tensorflow as tf

TAGS = ("layers", "convolution")


def build_model():
    sequence = tf.keras.Input(shape=(5, 3))
    x = tf.keras.layers.Conv1D(4, 2, padding="causal", dilation_rate=2, activation="relu")(sequence)
    x = tf.keras.layers.Flatten()(x)
    model = tf.keras.Model(sequence, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 5, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=(1, 2)).reshape(4, 1)
