"""Custom layer that makes its inner layers in build, and leaves building them to their first call.

Upstream: "layer was never built" on loading in Keras 3, https://github.com/keras-team/keras/issues/18875,
https://github.com/keras-team/keras-core/issues/334; weights that Keras 3 does not list until then,
https://github.com/keras-team/keras/issues/20004.
"""

import tensorflow as tf

TAGS = ("custom", "structure", "upstream")


@tf.keras.utils.register_keras_serializable(package="tfmatrix")
class Bottleneck(tf.keras.layers.Layer):
    def build(self, input_shape):
        self.down = tf.keras.layers.Dense(2, activation="tanh")
        self.up = tf.keras.layers.Dense(input_shape[-1])
        super().build(input_shape)

    def call(self, inputs):
        return inputs + self.up(self.down(inputs))


def build_model():
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(Bottleneck()(features)))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
