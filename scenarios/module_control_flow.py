"""tf.Module whose function loops with tf.while_loop and branches with tf.cond.

How often it loops is in a variable: the loop itself has to be in the file, not its result.
"""

import tensorflow as tf

TAGS = ("tensorflow",)


class Halving(tf.Module):
    def __init__(self):
        super().__init__()
        self.steps = tf.Variable(5, trainable=False, name="steps")
        self.rate = tf.Variable(0.5, name="rate")

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def __call__(self, x):
        def shrunk(step, value):
            total = tf.reduce_sum(value)
            value = tf.cond(total > 1.0, lambda: value * self.rate, lambda: value + self.rate)
            return step + 1, value

        return tf.while_loop(lambda step, _: step < self.steps, shrunk, [tf.constant(0), x])[1]


def build_model():
    return Halving()


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 3)).astype("float32")
