"""RNN layer around a cell of one's own, passed to the loader as custom object.

The cell is nested in the config of the layer. Upstream: a registered cell was not found when the layer was loaded,
https://github.com/tensorflow/tensorflow/issues/45224.
"""

import tensorflow as tf

TAGS = ("layers", "recurrent", "custom")


class LeakyCell(tf.keras.layers.Layer):
    def __init__(self, units, leak=0.5, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.leak = leak
        self.state_size = units
        self.output_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="glorot_uniform", name="kernel")
        self.built = True

    def call(self, inputs, states):
        state = self.leak * states[0] + (1.0 - self.leak) * tf.tanh(tf.matmul(inputs, self.kernel))
        return state, [state]

    def get_config(self):
        return dict(super().get_config(), units=self.units, leak=self.leak)


def build_model():
    sequence = tf.keras.Input(shape=(5, 3))
    model = tf.keras.Model(sequence, tf.keras.layers.Dense(1)(tf.keras.layers.RNN(LeakyCell(4))(sequence)))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 5, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=(1, 2)).reshape(4, 1)


def custom_objects():
    return {"LeakyCell": LeakyCell}
