"""Bidirectional LSTM that starts from states that other layers make.

Four states go into the layer beside the sequence. Upstream: weights of a bidirectional LSTM that Keras 3 does not
find again, https://github.com/tensorflow/tensorflow/issues/64391; files of Keras 2 in Keras 3,
https://github.com/keras-team/keras/issues/19898; .keras files of 2.13, 2.14 and 2.15 in each other's reader,
https://github.com/keras-team/keras/issues/18913.
"""

import tensorflow as tf

TAGS = ("structure", "recurrent", "upstream")


def build_model():
    sequence = tf.keras.Input(shape=(5, 3))
    average = tf.keras.layers.GlobalAveragePooling1D()(sequence)
    states = [tf.keras.layers.Dense(2)(average) for _ in range(4)]
    both = tf.keras.layers.Bidirectional(tf.keras.layers.LSTM(2))(sequence, initial_state=states)
    model = tf.keras.Model(sequence, tf.keras.layers.Dense(1)(both))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 5, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=(1, 2)).reshape(8, 1)
