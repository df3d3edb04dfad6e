"""GaussianNoise, which is there in training only.

In inference it does nothing. Keras 3 gives the layer a generator with a state of its own, Keras 2 draws from that of
TensorFlow.
"""

import tensorflow as tf

TAGS = ("layers", "regularization")


def build_model():
    features = tf.keras.Input(shape=(4,))
    noisy = tf.keras.layers.GaussianNoise(0.5)(tf.keras.layers.Dense(6, activation="relu")(features))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(noisy))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
