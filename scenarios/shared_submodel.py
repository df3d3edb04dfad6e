"""Model inside a model that is called twice, on two inputs (a siamese network).

Upstream: an IndexError on loading in Keras 3, https://github.com/keras-team/keras/issues/19326; a reader of Keras 3
that never returns from a file of Keras 2, https://github.com/keras-team/keras/pull/19669.
"""

import tensorflow as tf

TAGS = ("structure", "upstream")


def build_model():
    inner_features = tf.keras.Input(shape=(4,))
    encoder = tf.keras.Model(inner_features, tf.keras.layers.Dense(3, activation="tanh")(inner_features))
    left = tf.keras.Input(shape=(4,))
    right = tf.keras.Input(shape=(4,))
    difference = tf.keras.layers.Subtract()([encoder(left), encoder(right)])
    model = tf.keras.Model([left, right], tf.keras.layers.Dense(1)(difference))
    model.compile(optimizer="adam", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return [rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32") for _ in range(2)]


def training_data(rng):
    left, right = inputs(rng)
    return [left, right], (left - right).sum(axis=1, keepdims=True)
