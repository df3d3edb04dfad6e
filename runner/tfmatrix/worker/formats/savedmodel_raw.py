"""The artifact of `savedmodel`, read without Keras: `tf.saved_model.load`."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from . import savedmodel as saver

ID = "savedmodel-raw"
SAVER = saver.ID
ARTIFACT = saver.ARTIFACT
MODELS = saver.MODELS
LOADS = "module"
CHECKS = ("load", "outputs", "weights", "signatures", "warnings")

unsupported = saver.unsupported
save = saver.save


def load(
    path: str,
    custom_objects: Mapping[str, Any] | None = None,
    build: Callable[[], Any] | None = None,
    scenario: Any = None,
) -> Any:
    """`tf.saved_model.load`: functions and variables, no Keras model."""
    import tensorflow as tf

    return tf.saved_model.load(path)
