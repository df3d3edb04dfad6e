"""`model.save("m.h5")`: one HDF5 file, read by `keras.models.load_model`."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from . import contract

ID = "h5"
SAVER = "h5"
ARTIFACT = "m.h5"
MODELS = "keras"
LOADS = "keras"
CHECKS = contract.WHOLE_MODEL_CHECKS


def unsupported(env: Mapping[str, str]) -> str | None:
    """Every version writes it."""
    return None


def save(model: Any, path: str, scenario: Any = None) -> None:
    """`model.save` with the suffix `.h5`."""
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
