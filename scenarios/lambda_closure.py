"""Two Lambda layers whose Python lambdas differ only in what they close over.

The value of `factor` has to be saved with each lambda's bytecode. Upstream: outputs that come from the wrong closure,
https://github.com/keras-team/keras/issues/13697; bytecode of another Python version,
https://github.com/keras-team/keras/issues/14875.
"""

import tensorflow as tf

TAGS = ("custom", "upstream")


def multiplied(factor):
    return tf.keras.layers.Lambda(lambda x: x * factor, output_shape=(4,))


def build_model():
    features = tf.keras.Input(shape=(4,))
    joined = tf.keras.layers.concatenate([multiplied(2.0)(features), multiplied(-0.5)(features)])
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(joined))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
