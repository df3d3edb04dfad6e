"""Input with a fixed batch size.

Keras 2 writes an input's shape as `batch_input_shape`, Keras 3 as `batch_shape`, which Keras 2 does not know. Upstream:
https://github.com/tensorflow/tensorflow/issues/66381, https://github.com/tensorflow/tensorflow/issues/64685.
"""

import tensorflow as tf

TAGS = ("structure", "upstream")


def build_model():
    features = tf.keras.Input(shape=(4,), batch_size=8)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(features))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
