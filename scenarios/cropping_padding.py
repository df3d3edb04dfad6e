"""Cropping2D and ZeroPadding2D, both asymmetric.

Their arguments are tuples of tuples. The same numbers on the other side give outputs of the same shape.
"""

import tensorflow as tf

TAGS = ("layers", "reshaping")


def build_model():
    image = tf.keras.Input(shape=(6, 6, 3))
    x = tf.keras.layers.Cropping2D(((1, 0), (0, 2)))(image)
    x = tf.keras.layers.ZeroPadding2D(((0, 1), (2, 0)))(x)
    x = tf.keras.layers.Flatten()(tf.keras.layers.Conv2D(2, 3)(x))
    model = tf.keras.Model(image, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 6, 6, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.mean(axis=(1, 2, 3)).reshape(4, 1)
