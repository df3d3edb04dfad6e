"""Learning rate that follows a schedule.

The optimizer's config holds an object instead of a number, and the rate follows from the iterations: it is wrong where
one of the two is lost. Upstream: the step was wrong after `load_weights`,
https://github.com/tensorflow/tensorflow/issues/47115.
"""

import tensorflow as tf

TAGS = ("training", "optimizer")


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(5, activation="tanh")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    schedule = tf.keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=2, decay_rate=0.5, staircase=True)
    model.compile(optimizer=tf.keras.optimizers.Adam(learning_rate=schedule), loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
