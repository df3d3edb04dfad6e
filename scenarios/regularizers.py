"""Dense layer with L1 and L2 penalties on its weights.

They change no output: only the loss of the training after the load shows whether they came back.
"""

import tensorflow as tf

TAGS = ("layers", "regularization")


def build_model():
    features = tf.keras.Input(shape=(4,))
    penalty = tf.keras.regularizers.L1L2(l1=0.01, l2=0.02)
    hidden = tf.keras.layers.Dense(6, kernel_regularizer=penalty, bias_regularizer="l2")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
