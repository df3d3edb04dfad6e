"""Conv2DTranspose with strides and an output padding.

Its kernel has the channels the other way round than that of Conv2D, and the output padding decides the shape.
"""

import tensorflow as tf

TAGS = ("layers", "convolution")


def build_model():
    image = tf.keras.Input(shape=(6, 6, 3))
    x = tf.keras.layers.Conv2DTranspose(4, 3, strides=2, padding="same", output_padding=1, activation="relu")(image)
    x = tf.keras.layers.GlobalAveragePooling2D()(x)
    model = tf.keras.Model(image, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 6, 6, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.mean(axis=(1, 2, 3)).reshape(4, 1)
