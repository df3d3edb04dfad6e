"""Sequential model without an input shape: its layers get their weights from the first call.

The file has to say for which shape the layers were built. Upstream: weights for three layers, read into a model with
none, https://github.com/keras-team/keras/issues/11072; a shape that the reader set before,
https://github.com/keras-team/keras/issues/20214.
"""

import tensorflow as tf

TAGS = ("structure", "upstream")


def build_model():
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Reshape((2, 2)),
            tf.keras.layers.Dense(3, activation="relu"),
            tf.keras.layers.Flatten(),
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
