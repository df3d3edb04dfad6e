"""Functional model whose dictionary of inputs is not in alphabetical order.

Both inputs have the same shape: a reader that sorts the names swaps them without an error. Upstream:
https://github.com/keras-team/keras/issues/20070, https://github.com/keras-team/keras/pull/20613,
https://github.com/keras-team/tf-keras/issues/795.
"""

import tensorflow as tf

TAGS = ("structure", "upstream")


def build_model():
    query = tf.keras.Input(shape=(3,), name="query")
    document = tf.keras.Input(shape=(3,), name="document")
    difference = tf.keras.layers.Subtract()([query, document])
    model = tf.keras.Model({"query": query, "document": document}, tf.keras.layers.Dense(1)(difference))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return {name: rng.uniform(-1.0, 1.0, size=(8, 3)).astype("float32") for name in ("query", "document")}


def training_data(rng):
    x = inputs(rng)
    return x, (x["query"] - 0.5 * x["document"]).sum(axis=1, keepdims=True)
