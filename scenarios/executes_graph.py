"""A SavedModel whose graph writes a file when it is loaded.

TensorFlow's loader runs the initializers of a SavedModel's resources, and their ops may read and write files: a model
is a program (https://github.com/tensorflow/tensorflow/blob/master/SECURITY.md). No version is meant to hold it back.
"""

import tensorflow as tf
from _planted import MARK, is_marked

FORMATS = ("tf-savedmodel", "tf-savedmodel-raw")
REQUIRES = "tensorflow>=2.9"
TAGS = ("executes",)


class Planted(tf.saved_model.experimental.TrackableResource):
    def _create_resource(self):
        kinds = {"key_dtype": tf.string, "value_dtype": tf.float32}
        return tf.raw_ops.MutableHashTableV2(shared_name="planted", **kinds)

    @tf.function(input_signature=[])
    def _initialize(self):
        tf.io.write_file(MARK, "")
        return 1


class Model(tf.Module):
    def __init__(self):
        super().__init__()
        self.weight = tf.Variable(tf.ones((4, 2)))
        self.planted = Planted()

    @tf.function(input_signature=[tf.TensorSpec((None, 4))])
    def __call__(self, x):
        return tf.matmul(x, self.weight)


def build_model():
    return Model()


def inputs(rng):
    return rng.uniform(size=(3, 4)).astype("float32")


def executed():
    return is_marked()
