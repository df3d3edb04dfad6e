"""Loads an artifact with one of the documented workarounds instead of the plain call.

A workaround is data from the host: which loader (`format` of the job), and
`custom_objects`: pass every class and function that the scenario's file defines;
`unsafe`: call `enable_unsafe_deserialization()` first;
`rebuild`: make the model from code and `load_weights` the artifact into it;
`weights`: `load_weights` the SavedModel's checkpoint into the model that its loader returned;
`arguments`: keyword arguments of `tf.keras.models.load_model`, such as {"compile": false}.
"""

from __future__ import annotations

import inspect
import os
from types import ModuleType
from typing import Any, Callable, Mapping

CONTRACT = ("build_model", "inputs", "training_data", "custom_objects", "save_model", "load_model")
"""Functions that tfmatrix calls; not part of anybody's model."""


def load(
    workaround: Mapping[str, Any],
    loader: Any,
    path: str,
    custom_objects: Mapping[str, Any] | None,
    build: Callable[[], Any],
    scenario: ModuleType,
) -> Any:
    """The loaded model. Every exception of TensorFlow and Keras passes: it says that the workaround does not help."""
    import tensorflow as tf

    if workaround.get("unsafe"):
        enable_unsafe_deserialization()
    if workaround.get("custom_objects"):
        custom_objects = dict(definitions(scenario), **(custom_objects or {}))
    if workaround.get("rebuild"):
        model = build()
        model.load_weights(_weights_of(path))
        return model
    if workaround.get("arguments"):
        return tf.keras.models.load_model(path, custom_objects=custom_objects, **workaround["arguments"])
    model = loader.load(path, custom_objects, build, scenario)
    if workaround.get("weights"):
        model.load_weights(_weights_of(path))
    return model


def _weights_of(path: str) -> str:
    """What load_weights takes: a SavedModel keeps its weights, and the optimizer's, as a checkpoint inside."""
    return os.path.join(path, "variables", "variables") if os.path.isdir(path) else path


def definitions(scenario: ModuleType) -> dict[str, Any]:
    """The classes and functions that a scenario's file defines itself, by name."""
    return {
        name: value
        for name, value in vars(scenario).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == scenario.__name__
        and name not in CONTRACT
    }


def enable_unsafe_deserialization() -> None:
    """Keras's own switch, wherever the version keeps it. Raises AttributeError where there is none (before 2.13)."""
    import tensorflow as tf

    switch: Any = getattr(getattr(tf.keras, "config", None), "enable_unsafe_deserialization", None)  # Keras 3
    if switch is None:
        switch = tf.keras.__internal__.enable_unsafe_deserialization
    switch()
