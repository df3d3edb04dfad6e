"""Custom layer that keeps its weight in a raw tf.Variable, without get_config.

Claim, from an article on warnings when saving TensorFlow 2 Keras models: a custom layer `MyCustomLayer(units)` whose
`__init__` makes `self.w = tf.Variable(tf.random.normal([units]))`, with no `get_config`, followed by `Dense(1)`,
compiled with adam and mse: *saving to h5 raises no warning, and loading fails or loses the weight.*

The article's layer computes `tf.matmul(inputs, self.w)` with a one-dimensional `w`, which no version of TensorFlow
accepts; here the weight multiplies the inputs element by element.
"""

import tensorflow as tf

TAGS = ("article", "custom")


class MyCustomLayer(tf.keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.w = tf.Variable(tf.random.normal([units]))

    def call(self, inputs):
        return inputs * self.w


def build_model():
    model = tf.keras.Sequential([MyCustomLayer(4), tf.keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)


def custom_objects():
    return {"MyCustomLayer": MyCustomLayer}
