"""Lambda layer with a named function of the scenario's module.

Only the function's name is saved, which a reader may take for the function itself. Upstream:
https://github.com/tensorflow/tensorflow/issues/58691, https://github.com/keras-team/keras/issues/19151.
"""

import tensorflow as tf

TAGS = ("custom", "upstream")


def squares(x):
    return x * x + 1.0


def build_model():
    features = tf.keras.Input(shape=(4,))
    squared = tf.keras.layers.Lambda(squares, output_shape=(4,))(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(squared))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def custom_objects():
    return {"squares": squares}


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
