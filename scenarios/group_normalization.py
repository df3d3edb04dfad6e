"""GroupNormalization with two groups of channels.

In Keras since TensorFlow 2.11. The number of groups leaves the shapes of the weights as they are.
"""

import tensorflow as tf

REQUIRES = "tensorflow>=2.11"
TAGS = ("layers", "normalization")


def build_model():
    image = tf.keras.Input(shape=(6, 6, 3))
    x = tf.keras.layers.Conv2D(4, 3, padding="same")(image)
    x = tf.keras.layers.GroupNormalization(groups=2)(x)
    x = tf.keras.layers.Flatten()(x)
    model = tf.keras.Model(image, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 6, 6, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.mean(axis=(1, 2, 3)).reshape(4, 1)
