"""`save_weights("ckpt")`: Keras 2's TF format, a checkpoint, loaded into a model rebuilt from code."""

from __future__ import annotations

import os
from typing import Any, Callable, Mapping

from . import contract

ID = "weights-tf"
SAVER = "weights-tf"
ARTIFACT = "w"
MODELS = "keras"
LOADS = "keras"
CHECKS = ("load", "outputs", "weights", "warnings")


def unsupported(env: Mapping[str, str]) -> str | None:
    """Keras 3 refuses the name."""
    if contract.version(env["keras"]) >= (3,):
        return "Keras 3 writes weights to names that end in .weights.h5 only"
    return None


def save(model: Any, path: str, scenario: Any = None) -> None:
    """`model.save_weights` to a prefix in the folder `path`."""
    model.save_weights(os.path.join(path, "ckpt"))


def load(
    path: str,
    custom_objects: Mapping[str, Any] | None = None,
    build: Callable[[], Any] | None = None,
    scenario: Any = None,
) -> Any:
    """Rebuilds the model from code, then `load_weights`."""
    assert build is not None, "this format loads into a model rebuilt from code"
    model = build()
    model.load_weights(os.path.join(path, "ckpt"))
    return model
