"""Optimizer that clips each gradient to a norm.

`clipnorm` is an argument of every optimizer. The norm is so small that each step is clipped. Upstream: an optimizer
with both kinds of clipping could be saved and not loaded, https://github.com/keras-team/keras/issues/17278.
"""

import tensorflow as tf

TAGS = ("training", "optimizer")


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(5, activation="tanh")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer=tf.keras.optimizers.SGD(learning_rate=0.1, clipnorm=0.01), loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
