"""`custom_objects`: pass the loader every class and function that the scenario's file defines."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import TYPE_CHECKING, Any, Dict

if TYPE_CHECKING:
    from tfmatrix.worker.loading import Loading
    from tfmatrix.worker.remedies import Failing

NAME = "custom_objects"
ORDER = 20
COMBINES = 1
PRICE = "whoever loads the model needs the code of its own classes, and has to name them"
ADVICE = "give your own classes and functions to the loader as `custom_objects`"

CONTRACT = ("build_model", "inputs", "training_data", "custom_objects", "save_model", "load_model")
"""Functions that tfmatrix calls; not part of anybody's model."""


def helps(failing: Failing) -> bool:
    """Where there is something to pass."""
    return failing.has_definitions and not failing.is_refused


def change(loading: Loading) -> None:
    """Adds them to what the scenario's user passes."""
    loading.custom_objects = dict(definitions(loading.scenario), **(loading.custom_objects or {}))


def definitions(scenario: ModuleType) -> Dict[str, Any]:
    """The classes and functions that a scenario's file defines itself, by name."""
    return {
        name: value
        for name, value in vars(scenario).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == scenario.__name__
        and name not in CONTRACT
    }
