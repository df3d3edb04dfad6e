"""`save_weights("w.h5")`: Keras 2's HDF5 layout, loaded into a model rebuilt from code."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from . import contract

ID = "weights-h5-legacy"
SAVER = "weights-h5-legacy"
ARTIFACT = "w.h5"
MODELS = "keras"
LOADS = "keras"
CHECKS = ("load", "outputs", "weights", "warnings")


def unsupported(env: Mapping[str, str]) -> str | None:
    """Keras 3 refuses the name."""
    if contract.version(env["keras"]) >= (3,):
        return "Keras 3 writes weights to names that end in .weights.h5 only"
    return None


def save(model: Any, path: str, scenario: Any = None) -> None:
    """`model.save_weights` with the suffix `.h5`."""
    model.save_weights(path)


def load(
    path: str,
    custom_objects: Mapping[str, Any] | None = None,
    build: Callable[[], Any] | None = None,
    scenario: Any = None,
) -> Any:
    """Rebuilds the model from code, then `load_weights`."""
    assert build is not None, "this format loads into a model rebuilt from code"
    model = build()
    model.load_weights(path)
    return model
