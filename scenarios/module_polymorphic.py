"""tf.Module with a tf.function that has no signature and a Python argument.

Only what was traced is in the file: one function for each shape and for each value of `doubled`. Upstream:
https://github.com/tensorflow/tensorflow/issues/39808, https://github.com/tensorflow/tensorflow/issues/61849.
"""

import tensorflow as tf

TAGS = ("tensorflow", "upstream")


class Affine(tf.Module):
    def __init__(self):
        super().__init__()
        self.scale = tf.Variable([1.5, -0.5, 0.25], name="scale")

    @tf.function
    def __call__(self, x, doubled=False):
        result = x * self.scale
        return 2.0 * result if doubled else result


def build_model():
    module = Affine()
    module(tf.ones((2, 3)), doubled=True)
    module(tf.ones((8, 3)))
    return module


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 3)).astype("float32")
