"""Sequential model that is told its input shape.

It has its weights from the start. Upstream: a `Sequential` that begins with an `Input` was read back as a model of no
layers, https://github.com/tensorflow/tensorflow/issues/28668.
"""

import tensorflow as tf

TAGS = ("structure",)


def build_model():
    model = tf.keras.Sequential(
        [
            tf.keras.Input(shape=(4,)),
            tf.keras.layers.Dense(6, activation="relu"),
            tf.keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
