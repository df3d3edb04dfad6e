"""The scenario's own `save_model` and `load_model`: whatever they write and return."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from . import contract

ID = "custom"
SAVER = "custom"
ARTIFACT = "m"
MODELS = "any"
LOADS = "keras"
CHECKS = (*contract.WHOLE_MODEL_CHECKS, "signatures")


def unsupported(env: Mapping[str, str]) -> str | None:
    """Whether a scenario has the two functions is read from its file, not from the environment."""
    return None


def save(model: Any, path: str, scenario: Any = None) -> None:
    """The scenario's `save_model(model, path)`."""
    assert scenario is not None, "this format calls the scenario's save_model"
    scenario.save_model(model, path)


def load(
    path: str,
    custom_objects: Mapping[str, Any] | None = None,
    build: Callable[[], Any] | None = None,
    scenario: Any = None,
) -> Any:
    """The scenario's `load_model(path)`."""
    assert scenario is not None, "this format calls the scenario's load_model"
    return scenario.load_model(path)
