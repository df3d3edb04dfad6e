"""Dense layer whose output is penalised; training goes on after loading.

Thread: keras-team/keras#19820. Reported: the penalty is gone from a `.keras` file written by Keras 3.0-3.3.
"""

import tensorflow as tf

FORMATS = ("keras", "h5")


def build_model():
    features = tf.keras.Input(shape=(4,))
    x = tf.keras.layers.Dense(6, activation="tanh", activity_regularizer=tf.keras.regularizers.L2(0.05))(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer=tf.keras.optimizers.SGD(0.05), loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
