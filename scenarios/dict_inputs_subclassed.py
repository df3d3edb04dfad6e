"""Subclassed model that is called with a dictionary.

Only the calls say which inputs it has. Upstream: inputs that Keras 3 does not take by their names,
https://github.com/keras-team/keras/issues/20136.
"""

import tensorflow as tf

TAGS = ("structure", "upstream")


class Match(tf.keras.Model):
    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.query = tf.keras.layers.Dense(units)
        self.document = tf.keras.layers.Dense(units)
        self.value = tf.keras.layers.Dense(1)

    def call(self, inputs):
        return self.value(self.query(inputs["query"]) - self.document(inputs["document"]))

    def get_config(self):
        return {"units": self.units}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def build_model():
    model = Match()
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def custom_objects():
    return {"Match": Match}


def inputs(rng):
    return {name: rng.uniform(-1.0, 1.0, size=(8, 3)).astype("float32") for name in ("query", "document")}


def training_data(rng):
    x = inputs(rng)
    return x, (x["query"] - 0.5 * x["document"]).sum(axis=1, keepdims=True)
