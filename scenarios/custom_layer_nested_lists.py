"""Custom layer that holds lists of layers in a list.

Upstream: Keras 3 leaves such layers' weights out of .keras files without a word,
https://github.com/keras-team/keras/issues/20598, mended by https://github.com/keras-team/keras/pull/22362.
"""

import tensorflow as tf

TAGS = ("custom", "structure", "upstream")


@tf.keras.utils.register_keras_serializable(package="tfmatrix")
class Grid(tf.keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.rows = [[tf.keras.layers.Dense(4, activation="tanh") for _ in range(2)] for _ in range(2)]

    def call(self, inputs):
        x = inputs
        for left, right in self.rows:
            x = left(x) + right(x)
        return x


def build_model():
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(Grid()(features)))
    model.compile(optimizer="adam", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
