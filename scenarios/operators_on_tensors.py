"""Functional model that adds, multiplies and subtracts with Python's operators.

Keras 2 turns each operator into a layer `TFOpLambda`, which Keras 3 does not have, and Keras 3 into one of its own
operations, which Keras 2 does not have. Upstream: https://github.com/keras-team/keras/issues/19525.
"""

import tensorflow as tf

TAGS = ("structure", "upstream")


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(4)(features)
    mixed = 1.0 - hidden * 2.0 + features / 4.0
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(mixed))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
