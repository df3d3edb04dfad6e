"""tf.Module of modules, each with a tf.function that another one calls.

Inner functions are saved as functions of their own, with the variables that they close over; the one that has no
signature is traced by its callers.
"""

import tensorflow as tf

TAGS = ("tensorflow",)


class Layer(tf.Module):
    def __init__(self, rows, columns, name):
        super().__init__(name=name)
        values = tf.range(rows * columns, dtype=tf.float32) / 10.0 - 0.5
        self.kernel = tf.Variable(tf.reshape(values, (rows, columns)), name="kernel")

    @tf.function
    def __call__(self, x):
        return tf.tanh(tf.matmul(x, self.kernel))


class Network(tf.Module):
    def __init__(self):
        super().__init__()
        self.layers = [Layer(3, 4, "first"), Layer(4, 4, "second"), Layer(4, 2, "third")]

    @tf.function
    def hidden(self, x):
        return self.layers[1](self.layers[0](x))

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def __call__(self, x):
        return self.layers[2](self.hidden(x)) - self.layers[2](self.layers[0](x))


def build_model():
    return Network()


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 3)).astype("float32")
