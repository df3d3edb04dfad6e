"""UnitNormalization: every row scaled to length one.

In Keras since TensorFlow 2.9. It has no weights; an older reader does not know the class.
"""

import tensorflow as tf

REQUIRES = "tensorflow>=2.9"
TAGS = ("layers", "normalization")


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.UnitNormalization()(tf.keras.layers.Dense(6)(features))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
