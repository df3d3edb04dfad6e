"""Weight decay of an optimizer that has none by default.

An argument of every optimizer since TensorFlow 2.11; an older reader does not know it. It changes no output, only the
training after the load.
"""

import tensorflow as tf

REQUIRES = "tensorflow>=2.11"
TAGS = ("training", "optimizer")


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(5, activation="tanh")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer=tf.keras.optimizers.SGD(learning_rate=0.1, weight_decay=0.2), loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
