"""Metric class of one's own with an argument and two variables.

Upstream: https://github.com/tensorflow/tensorflow/issues/34068, https://github.com/tensorflow/tensorflow/issues/33646.
"""

import tensorflow as tf

TAGS = ("custom", "training", "upstream")


class ShareWithin(tf.keras.metrics.Metric):
    def __init__(self, distance=0.1, name="share_within", **kwargs):
        super().__init__(name=name, **kwargs)
        self.distance = distance
        self.within = self.add_weight(name="within", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        near = tf.cast(tf.abs(y_true - y_pred) < self.distance, "float32")
        self.within.assign_add(tf.reduce_sum(near))
        self.count.assign_add(tf.cast(tf.size(near), "float32"))

    def result(self):
        return self.within / self.count

    def reset_state(self):
        self.within.assign(0.0)
        self.count.assign(0.0)

    def get_config(self):
        return dict(super().get_config(), distance=self.distance)


def build_model():
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(features))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError(), metrics=[ShareWithin(0.75)])
    return model


def custom_objects():
    return {"ShareWithin": ShareWithin}


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
