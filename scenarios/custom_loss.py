"""Loss class of one's own with an argument.

Upstream: subclasses of `Loss` did not load, https://github.com/tensorflow/tensorflow/issues/25938,
https://github.com/tensorflow/tensorflow/issues/32612; https://github.com/tensorflow/tensorflow/pull/33229.
"""

import tensorflow as tf

TAGS = ("custom", "training", "upstream")


class Weighted(tf.keras.losses.Loss):
    def __init__(self, weight=1.0, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, y_true, y_pred):
        return self.weight * tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)

    def get_config(self):
        return dict(super().get_config(), weight=self.weight)


def build_model():
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(features))
    model.compile(optimizer="sgd", loss=Weighted(0.25))
    return model


def custom_objects():
    return {"Weighted": Weighted}


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
