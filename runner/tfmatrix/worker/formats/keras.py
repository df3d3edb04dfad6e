"""`model.save("m.keras")`, read by `keras.models.load_model`.

A zip archive from Keras 2.13 on; before that `.keras` was another suffix of HDF5. `contract.artifact_kind` tells.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping

from . import contract

ID = "keras"
SAVER = "keras"
ARTIFACT = "m.keras"
MODELS = "keras"
LOADS = "keras"
CHECKS = contract.WHOLE_MODEL_CHECKS


def unsupported(env: Mapping[str, str]) -> str | None:
    """Every version writes something to this name."""
    return None


def save(model: Any, path: str, scenario: Any = None) -> None:
    """`model.save` with the suffix `.keras`."""
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
