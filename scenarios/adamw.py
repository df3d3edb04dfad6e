"""AdamW: Adam with decoupled weight decay.

In Keras under this name since TensorFlow 2.12. Upstream: it was not to be had in 2.11,
https://github.com/keras-team/keras/issues/18275.
"""

import tensorflow as tf

REQUIRES = "tensorflow>=2.12"
TAGS = ("training", "optimizer")


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(5, activation="tanh")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer=tf.keras.optimizers.AdamW(learning_rate=0.01, weight_decay=0.1), loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
