"""tf.Module that trains itself without Keras: variables, their momentum, a count of steps.

The slots are in a dictionary of lists, the way a hand-written optimizer keeps them; all of it has to come back from a
SavedModel and from a checkpoint.
"""

import tensorflow as tf

TAGS = ("tensorflow",)


class Regression(tf.Module):
    def __init__(self):
        super().__init__()
        self.parameters = [tf.Variable([[0.5], [-1.0], [0.25]], name="weights"), tf.Variable([0.0], name="bias")]
        self.slots = {
            "momentum": [tf.Variable(tf.zeros_like(each), trainable=False) for each in self.parameters],
            "square": [tf.Variable(tf.zeros_like(each), trainable=False) for each in self.parameters],
        }
        self.count = tf.Variable(0, dtype=tf.int64, trainable=False, name="count")

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
    def __call__(self, x):
        return tf.matmul(x, self.parameters[0]) + self.parameters[1]

    @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32), tf.TensorSpec([None, 1], tf.float32)])
    def train(self, x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self(x) - y))
        gradients = tape.gradient(loss, self.parameters)
        for index, gradient in enumerate(gradients):
            momentum, square = self.slots["momentum"][index], self.slots["square"][index]
            momentum.assign(0.9 * momentum + gradient)
            square.assign(0.99 * square + 0.01 * gradient * gradient)
            self.parameters[index].assign_sub(0.01 * momentum / (tf.sqrt(square) + 0.1))
        self.count.assign_add(1)
        return loss


def build_model():
    module = Regression()
    for step in range(3):
        module.train(tf.fill((4, 3), 0.5 * step), tf.fill((4, 1), 1.0))
    return module


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 3)).astype("float32")
