"""Two outputs, metrics and targets given by output name, in another order than the outputs.

Threads: keras-team/keras#22625 (Keras 3.14.0 hands the metrics the other output), tensorflow/tensorflow#44241 and
#48692 (Keras 2 writes the output's name into the metric's name, once more at every save and load).
"""

import tensorflow as tf

FORMATS = ("keras", "h5")


def build_model():
    features = tf.keras.Input(shape=(4,))
    size = tf.keras.layers.Dense(2, name="size")(features)
    kind = tf.keras.layers.Dense(2, name="kind")(features)
    model = tf.keras.Model(features, [size, kind])
    mean = tf.keras.losses.MeanSquaredError
    model.compile(
        optimizer=tf.keras.optimizers.SGD(0.05),
        loss={"size": mean(), "kind": mean()},
        metrics={
            "size": [tf.keras.metrics.MeanAbsoluteError(name="mae")],
            "kind": [tf.keras.metrics.MeanSquaredError(name="mse")],
        },
    )
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, {"size": x[:, :2] + 10.0, "kind": x[:, 2:] - 3.0}
