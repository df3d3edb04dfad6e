"""SeparableConv2D: a depthwise and a pointwise kernel in one layer.

Both kernels and the bias are weights of one layer, which must come back in that order.
"""

import tensorflow as tf

TAGS = ("layers", "convolution")


def build_model():
    image = tf.keras.Input(shape=(6, 6, 3))
    x = tf.keras.layers.SeparableConv2D(4, 3, depth_multiplier=2, activation="relu")(image)
    x = tf.keras.layers.GlobalAveragePooling2D()(x)
    model = tf.keras.Model(image, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 6, 6, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.mean(axis=(1, 2, 3)).reshape(4, 1)
