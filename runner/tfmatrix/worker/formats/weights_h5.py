"""`save_weights("m.weights.h5")`, loaded into a model rebuilt from code."""

from __future__ import annotations

from typing import Any, Callable, Mapping

ID = "weights-h5"
SAVER = "weights-h5"
ARTIFACT = "m.weights.h5"
MODELS = "keras"
LOADS = "keras"
CHECKS = ("load", "outputs", "weights", "warnings")


def unsupported(env: Mapping[str, str]) -> str | None:
    """Every version writes something to this name: before Keras 2.12 the legacy layout."""
    return None


def save(model: Any, path: str, scenario: Any = None) -> None:
    """`model.save_weights` with the suffix `.weights.h5`."""
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
