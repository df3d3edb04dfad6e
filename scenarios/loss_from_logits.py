"""Loss object that takes logits: from_logits=True.

Where the argument is lost, training goes on with a loss of the same name that means something else.
"""

import tensorflow as tf

TAGS = ("training", "loss")


def build_model():
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(features))
    model.compile(optimizer="adam", loss=tf.keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1))
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, (x[:, :1] > 0.0).astype("float32")
