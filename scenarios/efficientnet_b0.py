"""EfficientNetB0 with random weights, on small images, for inference.

It brings its own rescaling and normalization. Upstream: with its pretrained weights it cannot be saved by TensorFlow
2.10 to 2.12, https://github.com/keras-team/keras/issues/17199; its normalization after loading h5,
https://github.com/keras-team/keras/pull/20163; what its config lacks,
https://github.com/keras-team/keras/issues/16392.
"""

import tensorflow as tf

FORMATS = ("h5", "keras", "savedmodel", "savedmodel-raw", "weights-h5")
TAGS = ("large", "upstream")


def build_model():
    return tf.keras.applications.EfficientNetB0(input_shape=(32, 32, 3), weights=None, classes=5)


def inputs(rng):
    return rng.uniform(0.0, 255.0, size=(4, 32, 32, 3)).astype("float32")
