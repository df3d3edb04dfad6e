"""Regularizer class of one's own, passed as custom_objects.

It is part of the loss, so that losing it shows in training only. Upstream:
https://github.com/keras-team/keras/issues/6744, https://github.com/ageron/handson-ml2/issues/634.
"""

import tensorflow as tf

TAGS = ("custom", "training", "upstream")


class Fourth(tf.keras.regularizers.Regularizer):
    def __init__(self, strength=0.1):
        self.strength = strength

    def __call__(self, x):
        return self.strength * tf.reduce_sum(tf.convert_to_tensor(x) ** 4.0)

    def get_config(self):
        return {"strength": self.strength}


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(3, kernel_regularizer=Fourth(0.2))(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def custom_objects():
    return {"Fourth": Fourth}


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
