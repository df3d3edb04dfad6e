"""Subclassed model with two inputs in a list, written with tf.saved_model.save for serving.

Thread: tensorflow/tensorflow#69307. Reported: from TF 2.16 on the SavedModel has no serving_default signature.
"""

import tensorflow as tf

FORMATS = ("tf-savedmodel-raw", "export", "savedmodel-raw")


class TwoTowers(tf.keras.Model):
    def __init__(self):
        super().__init__()
        self.left = tf.keras.layers.Dense(3)
        self.right = tf.keras.layers.Dense(3)

    def call(self, inputs):
        a, b = inputs
        return self.left(a) * self.right(b)


def build_model():
    return TwoTowers()


def inputs(rng):
    return [rng.uniform(-1, 1, size=(4, 2)).astype("float32"), rng.uniform(-1, 1, size=(4, 5)).astype("float32")]
