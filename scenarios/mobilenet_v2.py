"""MobileNetV2 with random weights, on small images.

Inverted residuals: depthwise convolutions, batch normalization, ReLU6 and additions, in a long chain. `alpha` makes it
narrow.
"""

import tensorflow as tf

FORMATS = ("h5", "keras", "savedmodel", "savedmodel-raw", "weights-h5")
TAGS = ("large",)


def build_model():
    model = tf.keras.applications.MobileNetV2(input_shape=(32, 32, 3), alpha=0.35, weights=None, classes=5)
    model.compile(optimizer="sgd", loss=tf.keras.losses.SparseCategoricalCrossentropy())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 32, 32, 3)).astype("float32")


def training_data(rng):
    return inputs(rng), rng.randint(5, size=4).astype("int32")
