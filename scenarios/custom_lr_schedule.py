"""Learning rate schedule of one's own, registered.

Saved are its class and arguments; which rate comes next follows from the optimizer's iterations. Upstream: a reader
whose default optimizer has other variables, https://github.com/keras-team/keras-hub/issues/973.
"""

import tensorflow as tf

TAGS = ("custom", "training", "upstream")


@tf.keras.utils.register_keras_serializable(package="tfmatrix")
class Hyperbolic(tf.keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, start=0.1):
        self.start = start

    def __call__(self, step):
        return self.start / (1.0 + tf.cast(step, "float32"))

    def get_config(self):
        return {"start": self.start}


def build_model():
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(features))
    optimizer = tf.keras.optimizers.SGD(learning_rate=Hyperbolic(0.2))
    model.compile(optimizer=optimizer, loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
