"""Sparse tensor as input, into a Dense layer.

That an input is sparse stands in its config; a SavedModel takes a sparse tensor apart. What goes in is a
`tf.SparseTensor`.
"""

import tensorflow as tf

TAGS = ("dtype",)


def build_model():
    features = tf.keras.Input(shape=(4,), sparse=True)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(features))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    dense = rng.uniform(0.1, 1.0, size=(8, 4)) * (rng.uniform(size=(8, 4)) > 0.5)
    return tf.sparse.from_dense(dense.astype("float32"))


def training_data(rng):
    x = inputs(rng)
    return x, tf.sparse.to_dense(x).numpy().sum(axis=1, keepdims=True)
