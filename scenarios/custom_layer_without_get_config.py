"""Custom layer with an argument and without get_config.

The argument is in no file, and the class cannot be called without it; from Keras 2.12 on a layer's config is guessed
from its arguments. Upstream: arguments of `__init__` and what Keras makes of them,
https://github.com/keras-team/keras/issues/21546.
"""

import tensorflow as tf

TAGS = ("custom", "upstream")


class Power(tf.keras.layers.Layer):
    def __init__(self, exponent):
        super().__init__()
        self.exponent = exponent

    def build(self, input_shape):
        self.offset = self.add_weight(name="offset", shape=(input_shape[-1],), initializer="zeros")

    def call(self, inputs):
        return inputs**self.exponent + self.offset


def build_model():
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(Power(3.0)(features)))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def custom_objects():
    return {"Power": Power}


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
