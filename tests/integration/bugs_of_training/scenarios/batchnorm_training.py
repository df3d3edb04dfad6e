"""Convolution and BatchNormalization, trained with tiny batches, then trained on.

Thread: keras-team/keras#19649 (and #20507). Reported: Keras 2 keeps the unbiased variance of the batch, Keras 3 the
biased one, so the moving variance, and what inference gives after more training, differ.
"""

import tensorflow as tf

FORMATS = ("h5", "weights-h5", "keras")


def build_model():
    image = tf.keras.Input(shape=(2, 2, 3))
    x = tf.keras.layers.Conv2D(4, 2)(image)
    x = tf.keras.layers.BatchNormalization(momentum=0.5)(x)
    x = tf.keras.layers.Flatten()(x)
    model = tf.keras.Model(image, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer=tf.keras.optimizers.SGD(0.01), loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 2, 2, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.mean(axis=(1, 2, 3))[:, None]
