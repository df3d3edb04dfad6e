"""LSTM that starts from states that are constants in the model's code.

Constant tensors in a functional model have to be written into its config. Upstream:
https://github.com/keras-team/keras/issues/18367, https://github.com/keras-team/keras/issues/17173.
"""

import tensorflow as tf

TAGS = ("structure", "recurrent", "upstream")


def build_model():
    sequence = tf.keras.Input(shape=(5, 3), batch_size=8)
    states = [tf.fill((8, 2), 0.5), tf.fill((8, 2), -0.25)]
    model = tf.keras.Model(sequence, tf.keras.layers.Dense(1)(tf.keras.layers.LSTM(2)(sequence, initial_state=states)))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 5, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=(1, 2)).reshape(8, 1)
