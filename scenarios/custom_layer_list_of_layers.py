"""Custom layer that holds a list of layers.

They are all of one class: their weights have the same names, which h5 has to keep apart. Upstream:
https://github.com/keras-team/keras/issues/19375, https://github.com/tensorflow/tensorflow/issues/36916.
"""

import tensorflow as tf

TAGS = ("custom", "structure", "upstream")


@tf.keras.utils.register_keras_serializable(package="tfmatrix")
class Stack(tf.keras.layers.Layer):
    def __init__(self, depth=2, **kwargs):
        super().__init__(**kwargs)
        self.depth = depth
        self.steps = [tf.keras.layers.Dense(4, activation="tanh") for _ in range(depth)]

    def call(self, inputs):
        x = inputs
        for step in self.steps:
            x = step(x)
        return x

    def get_config(self):
        return dict(super().get_config(), depth=self.depth)


def build_model():
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(Stack(3)(features)))
    model.compile(optimizer="adam", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
