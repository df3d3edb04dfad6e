"""Stateful recurrent layer, which needs a fixed batch size.

The batch size must survive, since the layer's state has its shape. Upstream: Keras 3 refuses the way in which Keras 2
was told it, https://github.com/keras-team/keras/issues/20106.

The recurrent kernel is zero and frozen: what the state has seen before the save does not change the outputs, so that
only the load is compared.
"""

import tensorflow as tf

TAGS = ("layers", "recurrent")


def build_model():
    sequence = tf.keras.Input(shape=(5, 3), batch_size=4)
    recurrent = tf.keras.layers.SimpleRNN(4, stateful=True, recurrent_initializer="zeros", trainable=False)
    model = tf.keras.Model(sequence, tf.keras.layers.Dense(1)(recurrent(sequence)))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 5, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=(1, 2)).reshape(4, 1)
