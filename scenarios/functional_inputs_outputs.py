"""Functional model with a list of inputs and a dictionary of outputs, each with loss, weight, metrics.

Upstream: a model compiled with a dictionary of losses did not load,
https://github.com/tensorflow/tensorflow/issues/33686; nor one with loss weights by name,
https://github.com/tensorflow/tensorflow/issues/35665.
"""

import tensorflow as tf

TAGS = ("structure", "upstream")


def build_model():
    wide = tf.keras.Input(shape=(4,), name="wide")
    deep = tf.keras.Input(shape=(3,), name="deep")
    hidden = tf.keras.layers.Dense(5, activation="tanh")(deep)
    joined = tf.keras.layers.concatenate([wide, hidden])
    outputs = {
        "value": tf.keras.layers.Dense(1, name="value")(joined),
        "label": tf.keras.layers.Dense(1, activation="sigmoid", name="label")(hidden),
    }
    model = tf.keras.Model([wide, deep], outputs)
    model.compile(
        optimizer="sgd",
        loss={"value": tf.keras.losses.MeanSquaredError(), "label": tf.keras.losses.BinaryCrossentropy()},
        loss_weights={"value": 1.0, "label": 0.25},
        metrics={"value": ["mae"], "label": ["mse"]},
    )
    return model


def inputs(rng):
    return [rng.uniform(-1.0, 1.0, size=(8, width)).astype("float32") for width in (4, 3)]


def training_data(rng):
    wide, deep = inputs(rng)
    return [wide, deep], {
        "value": wide.sum(axis=1, keepdims=True),
        "label": (deep[:, :1] > 0.0).astype("float32"),
    }
