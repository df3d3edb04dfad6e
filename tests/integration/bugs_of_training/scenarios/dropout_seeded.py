"""Dropout with a seed of its own, whose generator has a state that training moves on.

Thread: keras-team/keras#19796. Reported: the state of the generator is not the same after saving and loading.
"""

import tensorflow as tf

FORMATS = ("keras", "weights-h5")


def build_model():
    features = tf.keras.Input(shape=(6,))
    x = tf.keras.layers.Dense(16, activation="relu")(features)
    x = tf.keras.layers.Dropout(0.5, seed=7)(x)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer=tf.keras.optimizers.SGD(0.1), loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 6)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
