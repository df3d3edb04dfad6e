"""Dense layer with a penalty on its outputs.

The penalty is added to the loss on every call; loaded, it must be added once.
"""

import tensorflow as tf

TAGS = ("layers", "regularization")


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(6, activity_regularizer=tf.keras.regularizers.L2(0.1))(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
