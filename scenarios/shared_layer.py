"""Two layers that are each called twice, in turns: a(b(a(b(x)))).

Each layer's second call needs the other's first: none can be restored with all its calls at once. Upstream: loading
such a model failed, https://github.com/keras-team/keras/issues/4160.
"""

import tensorflow as tf

TAGS = ("structure", "upstream")


def build_model():
    features = tf.keras.Input(shape=(4,))
    first = tf.keras.layers.Dense(4, activation="tanh")
    second = tf.keras.layers.Dense(4, activation="relu")
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(first(second(first(second(features))))))
    model.compile(optimizer="adam", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
