"""Frozen model with batch normalization inside a model that trains.

`trainable = False` moves weights from the trainable to the others, and with it their order in files that keep weights
in order. Upstream: https://github.com/tensorflow/tensorflow/issues/34950,
https://github.com/keras-team/keras/issues/13259, https://github.com/keras-team/keras/issues/10784.
"""

import tensorflow as tf

TAGS = ("structure", "upstream")


def build_model():
    backbone = tf.keras.Sequential(
        [
            tf.keras.Input(shape=(6, 6, 2)),
            tf.keras.layers.Conv2D(4, 3, use_bias=False),
            tf.keras.layers.BatchNormalization(),
            tf.keras.layers.ReLU(),
            tf.keras.layers.Conv2D(3, 3),
            tf.keras.layers.BatchNormalization(),
        ]
    )
    backbone.trainable = False
    image = tf.keras.Input(shape=(6, 6, 2))
    pooled = tf.keras.layers.GlobalAveragePooling2D()(backbone(image))
    model = tf.keras.Model(image, tf.keras.layers.Dense(1)(pooled))
    model.compile(optimizer="adam", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 6, 6, 2)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.mean(axis=(1, 2, 3)).reshape(8, 1)
