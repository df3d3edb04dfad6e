"""Adagrad, whose accumulators start at a value other than zero.

They only ever grow: without them each step after the load is too large. Upstream: a file of a newer version was refused
for *Unexpected keyword argument passed to optimizer: weight_decay*, https://github.com/keras-team/tf-keras/issues/243.
"""

import tensorflow as tf

TAGS = ("training", "optimizer")


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(5, activation="tanh")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer=tf.keras.optimizers.Adagrad(learning_rate=0.1, initial_accumulator_value=0.2), loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
