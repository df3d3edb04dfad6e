"""Ragged tensor as input, into a pooled Embedding.

Keras 2 takes ragged tensors, Keras 3 took them away and brought them back later. Upstream: a model with a layer of
one's own for ragged inputs could be saved and not loaded, https://github.com/tensorflow/tensorflow/issues/38998. What
goes in is a `tf.RaggedTensor`.
"""

import tensorflow as tf

REQUIRES = "keras<3"
TAGS = ("dtype",)


def build_model():
    tokens = tf.keras.Input(shape=(None,), dtype="int32", ragged=True)
    embedded = tf.keras.layers.Embedding(10, 3)(tokens)
    x = tf.keras.layers.GlobalAveragePooling1D()(embedded)
    model = tf.keras.Model(tokens, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return tf.RaggedTensor.from_row_lengths(rng.randint(10, size=16).astype("int32"), [1, 3, 2, 2, 1, 3, 2, 2])


def training_data(rng):
    x = inputs(rng)
    return x, tf.reduce_max(x, axis=1).numpy().astype("float32").reshape(8, 1)
