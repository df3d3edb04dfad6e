"""StringLookup whose vocabulary was learned from data.

The vocabulary is nowhere in the config. Upstream: it was gone after the load,
https://github.com/tensorflow/tensorflow/issues/61369.
"""

import numpy as np
import tensorflow as tf

REQUIRES = "tensorflow>=2.6"
TAGS = ("layers", "preprocessing", "strings")


def build_model():
    lookup = tf.keras.layers.StringLookup()
    lookup.adapt(np.array(["red", "green", "red", "blue"]))
    colours = tf.keras.Input(shape=(2,), dtype="string")
    embedded = tf.keras.layers.Embedding(4, 3)(lookup(colours))
    x = tf.keras.layers.Flatten()(embedded)
    model = tf.keras.Model(colours, tf.keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return model


def inputs(rng):
    return tf.constant(rng.choice(["red", "green", "blue", "mauve"], size=(8, 2)))


def training_data(rng):
    x = inputs(rng)
    return x, tf.cast(x[:, :1] == "red", tf.float32).numpy()
