"""Keras 2.11 has new optimizers under the old names, and takes a configuration that does not say so for an old one's.

An old one's state is not in a `.keras` file, and lost there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tfmatrix.engine.adapters._objects import CannotAdaptError, is_object, with_config

SINCE = "2.11"
SOURCE = "https://github.com/tensorflow/tensorflow/releases/tag/v2.11.0"

_BOTH: Final = ("SGD", "Adam", "Adamax", "Adadelta", "Adagrad", "RMSprop", "Ftrl")
"""Optimizers that there are in both generations, with the same state."""

_ADDED: Final[Mapping[str, tuple[Any, ...]]] = {
    "is_legacy_optimizer": (False, True),
    "jit_compile": (False, True),
    "use_ema": (False,),
    "ema_momentum": (0.99,),
    "ema_overwrite_frequency": (None, 100),
    "weight_decay": (None, 0, 0.0),
    "clipnorm": (None,),
    "global_clipnorm": (None,),
    "clipvalue": (None,),
}
"""Arguments that the older ones do not have, or not at these values, at which they say nothing."""

_CLIPPING: Final = ("clipnorm", "global_clipnorm", "clipvalue")
"""Those that the older ones have."""


def up(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The new one, but for a decay, which only the old one has."""
    found = _optimizer(document)
    if found is None or found["config"].get("decay") or "is_legacy_optimizer" in found["config"]:
        return document
    config = {name: value for name, value in found["config"].items() if name != "decay"}
    return _with(document, with_config(found, {**config, "is_legacy_optimizer": False}))


def down(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what the old one does not know. Raises CannotAdaptError where that says something."""
    found = _optimizer(document)
    if found is None:
        return document
    config = dict(found["config"])
    for name, nothing in _ADDED.items():
        if name in config and config[name] in nothing:
            del config[name]
        elif name in config and name not in _CLIPPING:
            raise CannotAdaptError(
                f"its optimizer has {name}={config[name]!r}, which Keras before {SINCE} does not know"
            )
    return _with(document, with_config(found, config))


def _optimizer(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    compiled = document["compile"]
    if compiled is None or not is_object(compiled["optimizer"]) or compiled["optimizer"]["class_name"] not in _BOTH:
        return None
    found: Mapping[str, Any] = compiled["optimizer"]
    return found


def _with(document: Mapping[str, Any], optimizer: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**document, "compile": {**document["compile"], "optimizer": optimizer}}
