"""Bidirectional LSTM whose directions are added up.

The wrapper holds two layers that share a name and a config. Upstream: files of Keras 3.0 did not load in the same
version, *Layer 'lstm_cell' expected 3 variables, but received 0 variables*,
https://github.com/tensorflow/tensorflow/issues/64391 and https://github.com/keras-team/keras/issues/18913.
"""

import tensorflow as tf

TAGS = ("layers", "recurrent")


def build_model():
    sequence = tf.keras.Input(shape=(5, 3))
    x = tf.keras.layers.Bidirectional(tf.keras.layers.LSTM(4), merge_mode="sum")(sequence)
    model = tf.keras.Model(sequence, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 5, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=(1, 2)).reshape(4, 1)
