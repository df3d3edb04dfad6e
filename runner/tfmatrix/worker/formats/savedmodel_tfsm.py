"""The artifact of `savedmodel`, read as a layer: `keras.layers.TFSMLayer`, Keras 3's way to a SavedModel."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from . import savedmodel as saver

ID = "savedmodel-tfsm"
SAVER = saver.ID
ARTIFACT = saver.ARTIFACT
MODELS = saver.MODELS
LOADS = "signature"
CHECKS = ("load", "outputs", "weights", "warnings")

unsupported = saver.unsupported
save = saver.save


def load(
    path: str,
    custom_objects: Mapping[str, Any] | None = None,
    build: Callable[[], Any] | None = None,
    scenario: Any = None,
) -> Any:
    """`tf.keras.layers.TFSMLayer` on the default signature."""
    import tensorflow as tf

    return tf.keras.layers.TFSMLayer(path, call_endpoint="serving_default")
