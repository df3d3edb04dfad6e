"""Rescaling of bytes to the range from -1 to 1.

The inputs are of type uint8, so that the layer decides the type that the others see.
"""

import tensorflow as tf

REQUIRES = "tensorflow>=2.6"
TAGS = ("layers", "preprocessing", "dtype")


def build_model():
    image = tf.keras.Input(shape=(4, 4, 1), dtype="uint8")
    scaled = tf.keras.layers.Rescaling(1.0 / 127.5, offset=-1.0)(image)
    model = tf.keras.Model(image, tf.keras.layers.Dense(1)(tf.keras.layers.Flatten()(scaled)))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.randint(256, size=(8, 4, 4, 1)).astype("uint8")


def training_data(rng):
    x = inputs(rng)
    return x, x.mean(axis=(1, 2, 3), dtype="float32").reshape(8, 1) / 255.0
