"""Activation that is a registered Python function.

Upstream: TensorFlow 2.15 does not read the h5 files that it writes of such a model,
https://github.com/keras-team/keras/issues/20833.
"""

import tensorflow as tf

TAGS = ("custom", "upstream")


@tf.keras.utils.register_keras_serializable(package="tfmatrix")
def soft_square(x):
    return x * x / (1.0 + tf.abs(x))


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(5, activation=soft_square)(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
