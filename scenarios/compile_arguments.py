"""Model compiled with objects: a loss with an argument, two metrics, SGD with momentum.

Loading must bring back what compile was given, with its arguments. Upstream: the argument of `Huber` got lost in
Keras 3, https://github.com/keras-team/keras/pull/23286.
"""

import tensorflow as tf

TAGS = ("training",)


def build_model():
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(features))
    model.compile(
        optimizer=tf.keras.optimizers.SGD(learning_rate=0.05, momentum=0.9, nesterov=True),
        loss=tf.keras.losses.Huber(delta=0.5),
        metrics=["mae", tf.keras.metrics.RootMeanSquaredError()],
    )
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
