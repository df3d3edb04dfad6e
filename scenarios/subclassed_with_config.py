"""Subclassed model with get_config and from_config.

Upstream: a subclassed model that was loaded without both could not be trained again,
https://github.com/keras-team/keras/issues/15261; layers that the reader never built,
https://github.com/keras-team/keras/issues/18823.
"""

import tensorflow as tf

TAGS = ("structure", "upstream")


class Perceptron(tf.keras.Model):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.hidden = tf.keras.layers.Dense(units, activation="relu")
        self.value = tf.keras.layers.Dense(1)

    def call(self, inputs):
        return self.value(self.hidden(inputs))

    def get_config(self):
        return {"units": self.units}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def build_model():
    model = Perceptron(5)
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def custom_objects():
    return {"Perceptron": Perceptron}


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
