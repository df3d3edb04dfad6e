"""Custom layer that adds to the loss with add_loss.

Losing it shows in training only. Upstream: https://github.com/tensorflow/tensorflow/issues/39074,
https://github.com/tensorflow/tensorflow/issues/30378.
"""

import tensorflow as tf

TAGS = ("custom", "training", "upstream")


@tf.keras.utils.register_keras_serializable(package="tfmatrix")
class Penalty(tf.keras.layers.Layer):
    def __init__(self, rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate

    def call(self, inputs):
        self.add_loss(self.rate * tf.reduce_mean(tf.square(inputs)))
        return inputs

    def get_config(self):
        return dict(super().get_config(), rate=self.rate)


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = Penalty(0.5)(tf.keras.layers.Dense(5)(features))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
