"""DepthwiseConv2D with a depth multiplier.

In Keras 2 it is a Conv2D underneath, whose arguments stand in its config. Upstream: Keras 3 refuses a file of Keras 2
with *Unrecognized keyword arguments passed to DepthwiseConv2D: {'groups': 1}*,
https://github.com/keras-team/keras/issues/19151.
"""

import tensorflow as tf

TAGS = ("layers", "convolution")


def build_model():
    image = tf.keras.Input(shape=(6, 6, 3))
    x = tf.keras.layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu")(image)
    x = tf.keras.layers.GlobalAveragePooling2D()(x)
    model = tf.keras.Model(image, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 6, 6, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.mean(axis=(1, 2, 3)).reshape(4, 1)
