"""Functional model that slices a tensor with square brackets.

A layer `SlicingOpLambda` in Keras 2, an operation `GetItem` in Keras 3; the slices are arguments that have to be
written down. Upstream: https://github.com/tensorflow/tensorflow/issues/37298.
"""

import tensorflow as tf

TAGS = ("structure", "upstream")


def build_model():
    features = tf.keras.Input(shape=(4,))
    first = tf.keras.layers.Dense(3)(features[:, :2])
    last = tf.keras.layers.Dense(3)(features[:, -1:])
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(tf.keras.layers.Add()([first, last])))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
