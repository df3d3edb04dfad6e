"""StringLookup with its vocabulary as an argument.

Here the vocabulary is part of the config, unlike one that was adapted, and no weight is left to restore.
"""

import tensorflow as tf

REQUIRES = "tensorflow>=2.6"
TAGS = ("layers", "preprocessing", "strings")


def build_model():
    lookup = tf.keras.layers.StringLookup(vocabulary=["red", "green", "blue"], num_oov_indices=1)
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
