"""Initializer class of one's own, passed as custom_objects.

A loaded layer has its values already and needs the initializer only to be made. Upstream: h5 files of TensorFlow 2.13
that no version reads, https://github.com/keras-team/tf-keras/issues/42.
"""

import tensorflow as tf

TAGS = ("custom", "upstream")


class Ramp(tf.keras.initializers.Initializer):
    def __init__(self, step=0.1):
        self.step = step

    def __call__(self, shape, dtype=None, **kwargs):
        count = shape[0] * shape[1]
        values = tf.reshape(tf.range(count), (shape[0], shape[1]))
        return tf.cast(values, dtype or "float32") * self.step

    def get_config(self):
        return {"step": self.step}


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(3, kernel_initializer=Ramp(0.05))(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def custom_objects():
    return {"Ramp": Ramp}


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
