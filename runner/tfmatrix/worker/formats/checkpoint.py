"""`tf.train.Checkpoint(model=…, optimizer=…)`, read into a model rebuilt from code."""

from __future__ import annotations

import os
from typing import Any, Callable, Mapping

ID = "checkpoint"
SAVER = "checkpoint"
ARTIFACT = "c"
MODELS = "any"
LOADS = "keras"
CHECKS = ("load", "outputs", "weights", "optimizer", "resume", "warnings")


def unsupported(env: Mapping[str, str]) -> str | None:
    """Every version writes it."""
    return None


def save(model: Any, path: str, scenario: Any = None) -> None:
    """`Checkpoint.write` to a prefix in the folder `path`."""
    _checkpoint(model).write(os.path.join(path, "ckpt"))


def load(
    path: str,
    custom_objects: Mapping[str, Any] | None = None,
    build: Callable[[], Any] | None = None,
    scenario: Any = None,
) -> Any:
    """Rebuilds the model from code, then `Checkpoint.read`; Keras 2 restores slots when the optimizer makes them."""
    assert build is not None, "this format loads into a model rebuilt from code"
    model = build()
    checkpoint = _checkpoint(model)
    # TensorFlow 2.0 and 2.1 read what `write` wrote with the method that reads what `save` wrote.
    read = getattr(checkpoint, "read", checkpoint.restore)
    read(os.path.join(path, "ckpt"))
    return model


def _checkpoint(model: Any) -> Any:
    import tensorflow as tf

    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return tf.train.Checkpoint(model=model)
    return tf.train.Checkpoint(model=model, optimizer=optimizer)
