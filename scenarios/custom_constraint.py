"""Constraint class of one's own, passed as custom_objects.

It acts after each training step, so that losing it shows in training only. Upstream: functions instead of classes for
initializer, regularizer and constraint, https://github.com/tensorflow/tensorflow/issues/26061.
"""

import tensorflow as tf

TAGS = ("custom", "training", "upstream")


class Within(tf.keras.constraints.Constraint):
    def __init__(self, bound=1.0):
        self.bound = bound

    def __call__(self, w):
        return tf.clip_by_value(tf.convert_to_tensor(w), -self.bound, self.bound)

    def get_config(self):
        return {"bound": self.bound}


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(3, kernel_constraint=Within(0.3))(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def custom_objects():
    return {"Within": Within}


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
