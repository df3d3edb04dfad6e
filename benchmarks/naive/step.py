"""One step of the matrix, in a process of its own: saves a model, or loads one and compares what it predicts.

    python step.py save|load MODEL FORMAT FOLDER

Prints one line of JSON: {"status": "ok" | "differs" | "error", "seconds": without the import of TensorFlow, "error"}.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

FILES = {"h5": "model.h5", "keras": "model.keras", "savedmodel": "model"}


class MyCustomLayer(tf.keras.layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.w = self.add_weight(shape=(units,), initializer="random_normal", name="my_weight")

    def call(self, inputs):
        return inputs * self.w


def dense(x):
    features = tf.keras.Input(shape=(4,))
    hidden = tf.keras.layers.Dense(8, activation="relu")(features)
    model = tf.keras.Model(features, tf.keras.layers.Dense(3, activation="softmax")(hidden))
    model.compile(optimizer="sgd", loss="categorical_crossentropy")
    return model, np.eye(3)[np.arange(len(x)) % 3]


def optimizer_state(x):
    model = tf.keras.Sequential([tf.keras.layers.Dense(10), tf.keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    return model, x.sum(axis=1, keepdims=True)


def custom_layer_add_weight(x):
    model = tf.keras.Sequential([MyCustomLayer(4), tf.keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    return model, x.sum(axis=1, keepdims=True)


MODELS = {each.__name__: each for each in (dense, optimizer_state, custom_layer_add_weight)}


def save(name, kind, folder):
    tf.random.set_seed(0)
    x = np.random.RandomState(0).uniform(-1, 1, (8, 4)).astype("float32")
    model, y = MODELS[name](x)
    model.fit(x, y, epochs=3, verbose=0)
    model.save(str(folder / FILES[kind]))
    np.savez(folder / "expected.npz", x=x, y=model.predict(x, verbose=0))
    return "ok"


def load(kind, folder):
    expected = np.load(folder / "expected.npz")
    model = tf.keras.models.load_model(str(folder / FILES[kind]))
    return "ok" if np.allclose(model.predict(expected["x"], verbose=0), expected["y"], atol=1e-5) else "differs"


def main():
    action, name, kind, folder = sys.argv[1:]
    begun = time.monotonic()
    result = {"status": "error", "error": ""}
    try:
        result["status"] = save(name, kind, Path(folder)) if action == "save" else load(kind, Path(folder))
    except Exception as error:  # noqa: BLE001
        result["error"] = f"{type(error).__name__}: {str(error)[:500]}"
    result["seconds"] = time.monotonic() - begun
    print("\n" + json.dumps(result))


main()
