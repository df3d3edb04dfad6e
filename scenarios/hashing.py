"""Hashing of strings into bins, with a salt.

No state but the config: without the salt the hash is another function, and every bin another.
"""

import tensorflow as tf

REQUIRES = "tensorflow>=2.6"
TAGS = ("layers", "preprocessing", "strings")


def build_model():
    colours = tf.keras.Input(shape=(2,), dtype="string")
    bins = tf.keras.layers.Hashing(num_bins=5, salt=137)(colours)
    x = tf.keras.layers.Flatten()(tf.keras.layers.Embedding(5, 3)(bins))
    model = tf.keras.Model(colours, tf.keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return model


def inputs(rng):
    return tf.constant(rng.choice(["red", "green", "blue", "mauve"], size=(8, 2)))


def training_data(rng):
    x = inputs(rng)
    return x, tf.cast(x[:, :1] == "red", tf.float32).numpy()
