"""Subclassed model without get_config and without arguments.

There is nothing to write but the class's name and the weights. Upstream: why such a model has to be called before its
weights are loaded, https://github.com/tensorflow/tensorflow/issues/44240.
"""

import tensorflow as tf

TAGS = ("structure", "upstream")


class Perceptron(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = tf.keras.layers.Dense(5, activation="relu")
        self.value = tf.keras.layers.Dense(1)

    def call(self, inputs):
        return self.value(self.hidden(inputs))


def build_model():
    model = Perceptron()
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def custom_objects():
    return {"Perceptron": Perceptron}


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
