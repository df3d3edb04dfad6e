"""ResNet50 with random weights, on small images, for inference.

Its weights take tens of megabytes: it is not compiled, and saved in the formats of whole models only.
"""

import tensorflow as tf

FORMATS = ("h5", "keras", "savedmodel")
TAGS = ("large",)


def build_model():
    return tf.keras.applications.ResNet50(input_shape=(32, 32, 3), weights=None, classes=5)


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 32, 32, 3)).astype("float32")
