"""`tf.lite.TFLiteConverter` with dynamic-range quantization: weights of 8 bits, read by `tf.lite.Interpreter`."""

from __future__ import annotations

import inspect
from typing import Any, Mapping

from . import tflite

ID = "tflite-dynamic"
SAVER = "tflite-dynamic"
ARTIFACT = "m.tflite"
MODELS = tflite.MODELS
LOADS = tflite.LOADS
CHECKS = tflite.CHECKS
READING = "quantized"

load = tflite.load


def unsupported(env: Mapping[str, str]) -> str | None:
    """Every version writes it."""
    return None


def save(model: Any, path: str, scenario: Any = None) -> None:
    """The converter with `Optimize.DEFAULT` and no representative data."""
    import tensorflow as tf

    if isinstance(model, tf.keras.Model):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
    else:
        functions = [model.__call__.get_concrete_function()]
        # From 2.7 on the converter asks for the object that owns the variables.
        owner = [model][: len(inspect.signature(tf.lite.TFLiteConverter.from_concrete_functions).parameters) - 1]
        converter = tf.lite.TFLiteConverter.from_concrete_functions(functions, *owner)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    with open(path, "wb") as file:
        file.write(converter.convert())
