"""`tf.saved_model.save`, read by `keras.models.load_model`."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from . import contract

ID = "tf-savedmodel"
SAVER = "tf-savedmodel"
ARTIFACT = "m"
MODELS = "any"
LOADS = "keras"
CHECKS = contract.WHOLE_MODEL_CHECKS


def unsupported(env: Mapping[str, str]) -> str | None:
    """Every version writes it."""
    return None


def save(model: Any, path: str, scenario: Any = None) -> None:
    """`tf.saved_model.save`, without signatures of its own."""
    import tensorflow as tf

    tf.saved_model.save(model, path)


def load(
    path: str,
    custom_objects: Mapping[str, Any] | None = None,
    build: Callable[[], Any] | None = None,
    scenario: Any = None,
) -> Any:
    """`tf.keras.models.load_model`."""
    import tensorflow as tf

    return tf.keras.models.load_model(path, custom_objects=custom_objects)
