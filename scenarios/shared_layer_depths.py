"""Shared layer that is called on a late tensor before it is called on an early one.

A reader that restores the calls as soon as their inputs exist gets them in another order, and takes the result of one
for that of the other: no error, other outputs. Upstream: https://github.com/tensorflow/tensorflow/issues/50322,
https://github.com/keras-team/keras/issues/11159.
"""

import tensorflow as tf

TAGS = ("structure", "upstream")


def build_model():
    features = tf.keras.Input(shape=(4,))
    shared = tf.keras.layers.Dense(4, activation="tanh")
    hidden = tf.keras.layers.Dense(4)(features)
    late = shared(tf.keras.layers.Dense(4)(hidden))
    early = shared(features)
    difference = tf.keras.layers.Subtract()([late, early])
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(difference))
    model.compile(optimizer="adam", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
