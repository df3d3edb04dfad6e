"""`model.export`: a SavedModel for inference only, read by `tf.saved_model.load`."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from . import contract

ID = "export"
SAVER = "export"
ARTIFACT = "m"
MODELS = "keras"
LOADS = "module"
CHECKS = ("load", "outputs", "weights", "signatures", "warnings")


def unsupported(env: Mapping[str, str]) -> str | None:
    """`model.export` is younger than the others."""
    if contract.version(env["keras"]) < (2, 13):
        return "model.export came with Keras 2.13"
    return None


def save(model: Any, path: str, scenario: Any = None) -> None:
    """`model.export` with its default endpoint, `serve`."""
    model.export(path)


def load(
    path: str,
    custom_objects: Mapping[str, Any] | None = None,
    build: Callable[[], Any] | None = None,
    scenario: Any = None,
) -> Any:
    """`tf.saved_model.load`."""
    import tensorflow as tf

    return tf.saved_model.load(path)
