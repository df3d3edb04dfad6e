"""PReLU: an activation with weights, shared along two axes.

Its slopes are weights of their own and start at a value other than zero here. Upstream: a model with PReLU could be
loaded, but not after it was changed and saved again, https://github.com/keras-team/keras/issues/16116.
"""

import tensorflow as tf

TAGS = ("layers", "activation")


def build_model():
    image = tf.keras.Input(shape=(6, 6, 3))
    x = tf.keras.layers.Conv2D(4, 3)(image)
    x = tf.keras.layers.PReLU(alpha_initializer=tf.keras.initializers.Constant(0.2), shared_axes=[1, 2])(x)
    x = tf.keras.layers.GlobalAveragePooling2D()(x)
    model = tf.keras.Model(image, tf.keras.layers.Dense(1)(x))
    model.compile(optimizer="adam", loss="mse")
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(4, 6, 6, 3)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.mean(axis=(1, 2, 3)).reshape(4, 1)
