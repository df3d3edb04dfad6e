"""tf.Module with a lookup table of strings in front of a table of vectors.

A table is neither a variable nor a constant: its content comes from an initializer that runs on loading. Upstream:
https://github.com/tensorflow/tensorflow/issues/42061, https://github.com/tensorflow/tensorflow/issues/46456.
"""

import tensorflow as tf

TAGS = ("tensorflow", "upstream")
WORDS = ("red", "green", "blue")


class Lookup(tf.Module):
    def __init__(self):
        super().__init__()
        rows = tf.range(1, len(WORDS) + 1, dtype=tf.int64)
        initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(WORDS), rows)
        self.table = tf.lookup.StaticHashTable(initializer, default_value=0)
        self.vectors = tf.Variable([[0.0, 0.0], [1.0, 0.5], [-0.5, 2.0], [0.25, 0.75]], name="vectors")

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.string)])
    def __call__(self, words):
        return tf.gather(self.vectors, self.table.lookup(words))


def build_model():
    return Lookup()


def inputs(rng):
    return rng.choice([*WORDS, "violet"], size=(8, 4))
