"""LayerNormalization over two axes, with an epsilon of its own.

The axes and the epsilon are kept in the config, gamma and beta as weights.
"""

import tensorflow as tf

TAGS = ("layers", "normalization")


def build_model():
    sequence = tf.keras.Input(shape=(5, 3))
    x = tf.keras.layers.LayerNormalization(axis=[1, 2], epsilon=0.01)(sequence)
    x = tf.keras.layers.Flatten()(x)
    model = tf.keras.Model(sequence, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 5, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=(1, 2)).reshape(4, 1)
