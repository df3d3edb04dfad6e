"""UpSampling2D with bilinear interpolation.

The interpolation is an argument of the config; where it is lost, the outputs are those of the nearest neighbour.
"""

import tensorflow as tf

TAGS = ("layers", "reshaping")


def build_model():
    image = tf.keras.Input(shape=(6, 6, 3))
    x = tf.keras.layers.UpSampling2D(size=(2, 3), interpolation="bilinear")(image)
    x = tf.keras.layers.Conv2D(2, 3, strides=2, activation="relu")(x)
    x = tf.keras.layers.Flatten()(x)
    model = tf.keras.Model(image, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 6, 6, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.mean(axis=(1, 2, 3)).reshape(4, 1)
