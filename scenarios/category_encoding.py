"""CategoryEncoding of integers into a vector of zeros and ones.

The inputs are integers, and the layer turns them into floats.
"""

import tensorflow as tf

REQUIRES = "tensorflow>=2.6"
TAGS = ("layers", "preprocessing", "dtype")


def build_model():
    categories = tf.keras.Input(shape=(3,), dtype="int32")
    encoded = tf.keras.layers.CategoryEncoding(num_tokens=6, output_mode="multi_hot")(categories)
    model = tf.keras.Model(categories, tf.keras.layers.Dense(1)(encoded))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.randint(6, size=(8, 3)).astype("int32")


def training_data(rng):
    x = inputs(rng)
    return x, (x == 2).any(axis=1, keepdims=True).astype("float32")
