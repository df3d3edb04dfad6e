"""Embedding of integer tokens, averaged.

The inputs are integers, and the gradient of an embedding is sparse.
"""

import tensorflow as tf

TAGS = ("layers",)


def build_model():
    tokens = tf.keras.Input(shape=(6,), dtype="int32")
    embedded = tf.keras.layers.Embedding(20, 5)(tokens)
    pooled = tf.keras.layers.GlobalAveragePooling1D()(embedded)
    model = tf.keras.Model(tokens, tf.keras.layers.Dense(1, activation="sigmoid")(pooled))
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return model


def inputs(rng):
    return rng.randint(20, size=(8, 6)).astype("int32")


def training_data(rng):
    x = inputs(rng)
    return x, (x[:, :1] > 9).astype("float32")
