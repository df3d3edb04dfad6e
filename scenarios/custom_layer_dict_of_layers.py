"""Custom layer that holds a dictionary of layers, not in alphabetical order.

A reader that goes through the names in another order gives the layers each other's weights, which have the same shapes.
"""

import tensorflow as tf

TAGS = ("custom", "structure")


@tf.keras.utils.register_keras_serializable(package="tfmatrix")
class Gated(tf.keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.parts = {
            "value": tf.keras.layers.Dense(4, activation="tanh"),
            "gate": tf.keras.layers.Dense(4, activation="sigmoid"),
        }

    def call(self, inputs):
        return self.parts["value"](inputs) * self.parts["gate"](inputs)


def build_model():
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(Gated()(features)))
    model.compile(optimizer="adam", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
