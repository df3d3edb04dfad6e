"""Plain tf.Module with variables and a tf.function, no Keras.

TensorFlow's own promise is about this: a SavedModel loads in every later release of the same major version.
"""

import tensorflow as tf

TAGS = ("tensorflow",)


class Affine(tf.Module):
    def __init__(self):
        super().__init__()
        self.scale = tf.Variable([[1.5, -0.5], [0.25, 2.0], [1.0, 0.0]], name="scale")
        self.offsets = [tf.Variable([0.5, -1.0], name="offset"), tf.Variable(3.0, trainable=False, name="shift")]

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def __call__(self, x):
        return tf.nn.relu(tf.matmul(x, self.scale) + self.offsets[0]) * self.offsets[1]


def build_model():
    return Affine()


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 3)).astype("float32")
