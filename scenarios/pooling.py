"""Average pooling with padding, then global maximum pooling.

No weights: the pool size, the strides and the padding are all there is to lose.
"""

import tensorflow as tf

TAGS = ("layers", "pooling")


def build_model():
    image = tf.keras.Input(shape=(6, 6, 3))
    x = tf.keras.layers.Conv2D(4, 3, padding="same")(image)
    x = tf.keras.layers.AveragePooling2D(pool_size=3, strides=2, padding="same")(x)
    x = tf.keras.layers.GlobalMaxPooling2D()(x)
    model = tf.keras.Model(image, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 6, 6, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.mean(axis=(1, 2, 3)).reshape(4, 1)
