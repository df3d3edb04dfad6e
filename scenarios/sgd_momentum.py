"""SGD with Nesterov momentum: one slot for each weight.

With momentum the next step depends on the last ones; without its slots training goes on at another pace.
"""

import tensorflow as tf

TAGS = ("training", "optimizer")


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(5, activation="tanh")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer=tf.keras.optimizers.SGD(learning_rate=0.05, momentum=0.9, nesterov=True), loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
