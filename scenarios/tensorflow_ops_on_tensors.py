"""Functional model that calls tf.reshape and tf.reduce_sum on Keras's tensors, as only Keras 2 allows.

Keras 3 refuses such code where the model is built, https://github.com/PINTO0309/onnx2tf/pull/541; under test is what
its readers make of files that Keras 2 wrote, https://github.com/keras-team/keras/issues/19525.
"""

import tensorflow as tf

REQUIRES = "tensorflow<2.16"
TAGS = ("structure", "upstream")


def build_model():
    features = tf.keras.Input(shape=(4,))
    pairs = tf.reshape(tf.keras.layers.Dense(6)(features), [-1, 3, 2])
    summed = tf.reduce_sum(pairs, axis=1)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(summed))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
