"""Loss weights and weighted metrics of two outputs, in what compile() was told.

Thread: keras-team/keras#10221. Reported: weighted metrics do not come back with the file.
"""

import tensorflow as tf

FORMATS = ("h5", "keras", "savedmodel")


def build_model():
    features = tf.keras.Input(shape=(4,))
    a = tf.keras.layers.Dense(1, name="a")(features)
    b = tf.keras.layers.Dense(1, name="b")(features)
    model = tf.keras.Model(features, [a, b])
    model.compile(
        optimizer=tf.keras.optimizers.SGD(0.1),
        loss=[tf.keras.losses.MeanSquaredError(), tf.keras.losses.MeanAbsoluteError()],
        loss_weights=[1.0, 0.2],
        weighted_metrics=[[tf.keras.metrics.MeanAbsoluteError(name="wmae")], []],
    )
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, [x.sum(axis=1, keepdims=True), x.mean(axis=1, keepdims=True)]
