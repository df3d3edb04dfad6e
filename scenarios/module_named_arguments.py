"""tf.Module that takes two arguments, by name and not in alphabetical order, and returns a dictionary.

Both have the same shape: a signature that sorts them swaps them without an error.
"""

import tensorflow as tf

TAGS = ("tensorflow",)


class Ratio(tf.Module):
    def __init__(self):
        super().__init__()
        self.floor = tf.Variable(2.0, name="floor")

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 3], tf.float32, name="upper"),
            tf.TensorSpec([None, 3], tf.float32, name="lower"),
        ]
    )
    def __call__(self, upper, lower):
        return {"ratio": upper / (self.floor + lower), "difference": upper - lower}


def build_model():
    return Ratio()


def inputs(rng):
    return {name: rng.uniform(-1.0, 1.0, size=(8, 3)).astype("float32") for name in ("upper", "lower")}
