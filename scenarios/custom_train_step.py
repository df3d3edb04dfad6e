"""Model with a train_step of its own, which minimises something else than the compiled loss.

Loaded without its class, it trains with `compile`'s loss instead, and nobody says so. Upstream:
https://github.com/tensorflow/tensorflow/issues/38103, https://github.com/tensorflow/tensorflow/issues/46530.
"""

import tensorflow as tf

TAGS = ("custom", "training", "upstream")


class AbsoluteError(tf.keras.Model):
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.abs(y - self(x, training=True)))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables))
        # Keras 3 shows its own, empty, tracker of the loss where the names are those of its metrics.
        return {"loss": loss, "absolute_error": loss}


def build_model():
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(5, activation="relu")(features)
    model = AbsoluteError(features, tf.keras.layers.Dense(1)(hidden))
    model.compile(optimizer="sgd", loss=tf.keras.losses.MeanSquaredError())
    return model


def custom_objects():
    return {"AbsoluteError": AbsoluteError}


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, x.sum(axis=1, keepdims=True)
