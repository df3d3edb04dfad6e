"""TextVectorization adapted to a text: strings in, numbers of words out.

The vocabulary is a table, not a weight. Upstream: `.h5` cannot hold it, https://github.com/tensorflow/text/issues/980;
a SavedModel did not load without the class, https://github.com/tensorflow/tensorflow/issues/45231.

What goes in is a tensor of strings: `fit` of Keras 3 takes an array of strings in one dimension only.
"""

import numpy as np
import tensorflow as tf

REQUIRES = "tensorflow>=2.6"
TAGS = ("layers", "preprocessing", "strings")


def build_model():
    vectorize = tf.keras.layers.TextVectorization(max_tokens=10, output_mode="int", output_sequence_length=4)
    vectorize.adapt(np.array(["The tame red fox", "a red fox runs", "the fox"]))
    text = tf.keras.Input(shape=(1,), dtype="string")
    embedded = tf.keras.layers.Embedding(10, 3)(vectorize(text))
    x = tf.keras.layers.GlobalAveragePooling1D()(embedded)
    model = tf.keras.Model(text, tf.keras.layers.Dense(1, activation="sigmoid")(x))
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return model


def inputs(rng):
    words = ["tame", "red", "fox", "runs", "unheard"]
    return tf.constant([[" ".join(rng.choice(words, size=3))] for _ in range(8)])


def training_data(rng):
    x = inputs(rng)
    return x, tf.cast(tf.strings.regex_full_match(x, ".*fox.*"), tf.float32).numpy()
