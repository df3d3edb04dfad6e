"""Two Dense layers trained with adam, then saved: does training go on where it stopped?

Claim, from an article on warnings when saving TensorFlow 2 Keras models: `Dense(10)`, `Dense(1)`, adam, mse, trained,
then `model.save`d: *the optimizer's state is silently lost and training restarts from scratch.*

The checks `optimizer` (iterations and moments) and `resume` (the next training steps, against the writer going on
and against a fresh optimizer) measure it. Upstream: https://github.com/tensorflow/tensorflow/issues/44670.
"""

import tensorflow as tf

TAGS = ("article", "training")


def build_model():
    model = tf.keras.Sequential([tf.keras.layers.Dense(10), tf.keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
