"""Metric "accuracy", beside a loss for integer labels.

The string stands for one of several metrics, and Keras picks it by the loss and the labels. Upstream: after the load
it picked another, and `evaluate` reported less, https://github.com/tensorflow/tensorflow/issues/41958 and
https://github.com/tensorflow/tensorflow/pull/45531.
"""

import tensorflow as tf

TAGS = ("training", "metric")


def build_model():
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(3, activation="softmax")(features))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, rng.randint(3, size=(8, 1)).astype("int32")
