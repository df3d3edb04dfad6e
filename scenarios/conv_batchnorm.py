"""Convolution, batch normalization and pooling.

Batch normalization keeps moving statistics that are neither trained nor part of the config.
"""

import tensorflow as tf

TAGS = ("layers",)


def build_model():
    image = tf.keras.Input(shape=(8, 8, 3))
    x = tf.keras.layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = tf.keras.layers.BatchNormalization()(x)
    x = tf.keras.layers.MaxPooling2D()(x)
    x = tf.keras.layers.Flatten()(x)
    model = tf.keras.Model(image, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 8, 8, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.mean(axis=(1, 2, 3)).reshape(4, 1)
