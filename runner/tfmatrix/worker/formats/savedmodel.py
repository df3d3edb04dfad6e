"""`model.save("dir")`: Keras 2's TF format, a SavedModel with Keras metadata, read by `keras.models.load_model`."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from . import contract

ID = "savedmodel"
SAVER = "savedmodel"
ARTIFACT = "m"
MODELS = "keras"
LOADS = "keras"
CHECKS = contract.WHOLE_MODEL_CHECKS


def unsupported(env: Mapping[str, str]) -> str | None:
    """Keras 3 refuses a name without suffix."""
    if contract.version(env["keras"]) >= (3,):
        return "Keras 3 does not write SavedModel directories with model.save"
    return None


def save(model: Any, path: str, scenario: Any = None) -> None:
    """`model.save` to a name without a suffix."""
    model.save(path)


def load(
    path: str,
    custom_objects: Mapping[str, Any] | None = None,
    build: Callable[[], Any] | None = None,
    scenario: Any = None,
) -> Any:
    """`tf.keras.models.load_model`."""
    import tensorflow as tf

    return tf.keras.models.load_model(path, custom_objects=custom_objects)
