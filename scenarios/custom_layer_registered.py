"""Custom layer with get_config, registered by its decorator.

Nothing is passed as `custom_objects`: the registered name in the file has to lead to the class. Upstream: a class that
is not found without the decorator, https://github.com/keras-team/keras/issues/21046.
"""

import tensorflow as tf

TAGS = ("custom", "upstream")


@tf.keras.utils.register_keras_serializable(package="tfmatrix")
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
