"""Custom layer that makes its weight with add_weight, loaded without naming the layer's class.

Claim, from an article on warnings when saving TensorFlow 2 Keras models: the layer `MyCustomLayer(units)` with
`add_weight(shape=(units,), initializer="random_normal", name="my_weight")`, saved with `tf.saved_model.save` and
loaded with `tf.keras.models.load_model`: *loading is straightforward and the layer loads properly.*

As in the claim, nothing is passed as `custom_objects`. The article's layer computes `tf.matmul(inputs, self.w)` with
a one-dimensional `w`, which no version of TensorFlow accepts; here the weight multiplies the inputs element by element.
"""

import tensorflow as tf

TAGS = ("article", "custom")


class MyCustomLayer(tf.keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.w = self.add_weight(shape=(units,), initializer="random_normal", name="my_weight")

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
