"""Model that keeps a metric as an attribute and updates it in its own train_step.

The metric's variables hang below the model like weights, but are none: a reader has to tell them apart, and has to
restore them or to begin anew.
"""

import tensorflow as tf

TAGS = ("custom", "training")


class Tracked(tf.keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.value = tf.keras.layers.Dense(1)
        self.average = tf.keras.metrics.Mean(name="average")

    def call(self, inputs):
        return self.value(inputs)

    @property
    def metrics(self):
        return [self.average]

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(y - self(x, training=True)))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        self.average.update_state(loss)
        return {"loss": loss, "average": self.average.result()}

    def get_config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def build_model():
    model = Tracked()
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def custom_objects():
    return {"Tracked": Tracked}


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
