"""Custom layer with get_config, neither registered nor passed as custom_objects.

What a reader says that does not have the class: h5 and .keras need it, a SavedModel has the layer's functions.
Upstream: a model that loaded in one release of Keras 3 and not in a later one,
https://github.com/mit-ll/tornet/issues/10.
"""

import tensorflow as tf

TAGS = ("custom", "upstream")


class Scale(tf.keras.layers.Layer):
    def __init__(self, start=1.0, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        initializer = tf.keras.initializers.Constant(self.start)
        self.factors = self.add_weight(name="factors", shape=(input_shape[-1],), initializer=initializer)

    def call(self, inputs):
        return inputs * self.factors

    def get_config(self):
        return dict(super().get_config(), start=self.start)


def build_model():
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(Scale(0.5)(features)))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
