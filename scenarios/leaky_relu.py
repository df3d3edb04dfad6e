"""LeakyReLU with a slope of its own.

The slope is `alpha` in the config of Keras 2 and `negative_slope` in that of Keras 3. A reader that does not know the
other name would fall back to the default, and only negative inputs would show it.
"""

import tensorflow as tf

TAGS = ("layers", "activation")


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.LeakyReLU(0.05)(tf.keras.layers.Dense(6)(features))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
