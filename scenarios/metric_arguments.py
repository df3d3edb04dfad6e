"""Metric objects with arguments: AUC and top-k accuracy.

Upstream: AUC did not write `from_logits` into its config, https://github.com/tensorflow/tensorflow/pull/55936.
"""

import tensorflow as tf

TAGS = ("training", "metric")


def build_model():
    features = tf.keras.Input(shape=(4,))
    model = tf.keras.Model(features, tf.keras.layers.Dense(1)(features))
    model.compile(
        optimizer="adam",
        loss=tf.keras.losses.BinaryCrossentropy(from_logits=True),
        metrics=[
            tf.keras.metrics.AUC(num_thresholds=20, from_logits=True, name="auc"),
            tf.keras.metrics.BinaryAccuracy(threshold=0.3, name="above"),
        ],
    )
    return model


def inputs(rng):
    return rng.uniform(-1.0, 1.0, size=(8, 4)).astype("float32")


def training_data(rng):
    x = inputs(rng)
    return x, (x[:, :1] > 0.0).astype("float32")
