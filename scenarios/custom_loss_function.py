"""Loss that is a plain Python function, passed as custom_objects.

Upstream: SavedModels with such a loss, https://github.com/tensorflow/tensorflow/issues/32348 and
https://github.com/tensorflow/tensorflow/issues/34140; how to load one at all,
https://github.com/keras-team/keras/issues/19031.
"""

import tensorflow as tf

TAGS = ("custom", "training", "upstream")


def cubic_error(y_true, y_pred):
    return tf.reduce_mean(tf.abs(y_true - y_pred) ** 3.0, axis=-1)


def build_model():
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(features))
    model.compile(optimizer="sgd", loss=cubic_error)
    return model


def custom_objects():
    return {"cubic_error": cubic_error}


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
