"""Optimizer that keeps a moving average of the weights: use_ema.

An argument of every optimizer since TensorFlow 2.11. The averages are state of the optimizer, one for each weight.
"""

import tensorflow as tf

REQUIRES = "tensorflow>=2.11"
TAGS = ("training", "optimizer")


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(5, activation="tanh")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer=tf.keras.optimizers.SGD(learning_rate=0.1, use_ema=True, ema_momentum=0.8), loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
