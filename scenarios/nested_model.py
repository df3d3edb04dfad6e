"""Functional model made of two other models, one functional, one Sequential.

Upstream: a model inside a model could not be loaded in Keras 3, https://github.com/keras-team/keras/issues/19559, and
https://github.com/keras-team/keras/pull/19509.
"""

import tensorflow as tf

TAGS = ("structure", "upstream")


def build_model():
    inner_features = tf.keras.Input(shape=(4,))
    inner = tf.keras.Model(inner_features, tf.keras.layers.Dense(5, activation="tanh")(inner_features))
    head = tf.keras.Sequential([tf.keras.Input(shape=(5,)), tf.keras.layers.Dense(3), tf.keras.layers.Dense(1)])
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, head(inner(features)))
    model.compile(optimizer="adam", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
