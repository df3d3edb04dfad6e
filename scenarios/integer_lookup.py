"""IntegerLookup with a vocabulary of 64-bit numbers.

The numbers are larger than 32 bits hold, and one input is in no vocabulary.
"""

import numpy as np
import tensorflow as tf

REQUIRES = "tensorflow>=2.6"
TAGS = ("layers", "preprocessing", "dtype")


def build_model():
    lookup = tf.keras.layers.IntegerLookup(vocabulary=[12, 7, 3000000000])
    numbers = tf.keras.Input(shape=(2,), dtype="int64")
    embedded = tf.keras.layers.Embedding(4, 3)(lookup(numbers))
    x = tf.keras.layers.Flatten()(embedded)
    model = tf.keras.Model(numbers, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.choice(np.array([12, 7, 3000000000, 5], dtype="int64"), size=(8, 2))


def training_data(rng):
    x = inputs(rng)
    return x, (x[:, :1] > 10).astype("float32")
