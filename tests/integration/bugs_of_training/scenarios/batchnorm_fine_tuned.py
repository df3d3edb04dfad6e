"""Weights carried over by hand into a new Keras, then fine-tuned: the running variance of BatchNormalization.

Thread: keras-team/keras#19649 (and #20507). Keras 2 (fused kernel) keeps the unbiased variance of a batch, Keras 3 the
biased one. Losses are the same, as training uses the statistics of the batch; inference after fine-tuning is not.
"""

from pathlib import Path

import tensorflow as tf

FORMATS = ("custom",)


def build_model():
    image = tf.keras.Input(shape=(2, 2, 3))
    x = tf.keras.layers.Conv2D(4, 2)(image)
    x = tf.keras.layers.BatchNormalization(momentum=0.5)(x)
    x = tf.keras.layers.Flatten()(x)
    model = tf.keras.Model(image, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer=tf.keras.optimizers.SGD(0.01), loss=tf.keras.losses.MeanSquaredError())
    return model


def save_model(model, path):
    Path(path).mkdir(parents=True)
    model.save_weights(str(Path(path) / "m.weights.h5"))


def load_model(path):
    model = build_model()
    model.load_weights(str(Path(path) / "m.weights.h5"))
    model.optimizer.iterations.assign(3)
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 2, 2, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.mean(axis=(1, 2, 3))[:, None]
