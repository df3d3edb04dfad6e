"""RMSprop with momentum, centered: three slots for each weight.

The two arguments decide how many slots there are, so a file without them cannot be read into the optimizer.
"""

import tensorflow as tf

TAGS = ("training", "optimizer")


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(5, activation="tanh")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer=tf.keras.optimizers.RMSprop(learning_rate=0.01, momentum=0.5, centered=True), loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
