"""MultiHeadAttention of a sequence over itself.

Its weights belong to four inner layers that are made when it is first called. Upstream: loaded from a SavedModel of
TensorFlow 2.4, they were new ones, https://github.com/tensorflow/tensorflow/issues/47722.
"""

import tensorflow as tf

TAGS = ("layers", "attention")


def build_model():
    sequence = tf.keras.Input(shape=(5, 3))
    x = tf.keras.layers.MultiHeadAttention(num_heads=2, key_dim=3)(sequence, sequence)
    x = tf.keras.layers.GlobalAveragePooling1D()(x)
    model = tf.keras.Model(sequence, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 5, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=(1, 2)).reshape(4, 1)
