"""tf.Module with three signatures, one of them with a dictionary of results.

TensorFlow keeps signatures by name, apart from the functions of the object. They are written with `tf.saved_model.save`
and read with `tf.saved_model.load`, in the format `custom`; the other formats save the module without naming any.
Upstream: a default signature that is not what was called, https://github.com/tensorflow/tensorflow/issues/45385.
"""

import tensorflow as tf

TAGS = ("tensorflow",)
ROWS = tf.TensorSpec([None, 3], tf.float32, name="x")


class Scaler(tf.Module):
    def __init__(self):
        super().__init__()
        self.mean = tf.Variable([0.5, -0.5, 0.0], name="mean")
        self.spread = tf.Variable([2.0, 1.0, 0.25], name="spread")

    @tf.function(input_signature=[ROWS])
    def __call__(self, x):
        return (x - self.mean) / self.spread

    @tf.function(input_signature=[ROWS])
    def inverse(self, x):
        return x * self.spread + self.mean

    @tf.function(input_signature=[ROWS])
    def statistics(self, x):
        return {"largest": tf.reduce_max(x, axis=1), "smallest": tf.reduce_min(x, axis=1)}


def build_model():
    return Scaler()


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 3)).astype("float32")


def save_model(model, path):
    signatures = {"serving_default": model.__call__, "inverse": model.inverse, "statistics": model.statistics}
    tf.saved_model.save(model, path, signatures=signatures)


def load_model(path):
    return tf.saved_model.load(path)
