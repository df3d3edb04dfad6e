"""What changed between versions of Keras, as functions on the neutral form of a model: one small file a change.

An adapter is a module of this package:

`SINCE`
    The first version of Keras that has the change.
`SOURCE`
    Where upstream made it, or says so.
`up(document)`, `down(document)`
    The document in the newer version's terms, and back: pure functions. What the other side has no word for raises
    CannotAdaptError, which says what and what to do.

`limits(document)` (optional)
    What of a document in the newer version's terms nothing in the older one does, in words.

Files whose name begins with `_` are none. `ORDER` (optional, 0) decides between adapters of one version: upwards the
smaller come first, downwards the greater.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any

from packaging.version import Version


@cache
def adapters() -> tuple[ModuleType, ...]:
    """All of them, oldest change first."""
    names = sorted(each.name for each in pkgutil.iter_modules(__path__) if not each.name.startswith("_"))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return tuple(sorted(modules, key=lambda each: (Version(each.SINCE), getattr(each, "ORDER", 0))))


def path(before: str, after: str) -> Sequence[tuple[str, ModuleType]]:
    """The adapters between two versions of Keras, in the order in which they act, with their direction."""
    old, new = (Version(Version(text).base_version) for text in (before, after))
    if old <= new:
        return [("up", each) for each in adapters() if old < Version(each.SINCE) <= new]
    return [("down", each) for each in reversed(adapters()) if new < Version(each.SINCE) <= old]


def adapt(document: Mapping[str, Any], before: str, after: str) -> Mapping[str, Any]:
    """A neutral form of Keras `before` in the terms of Keras `after`. Raises CannotAdaptError."""
    for direction, adapter in path(before, after):
        document = getattr(adapter, direction)(document)
    return {**document, "keras": after}


def limits(document: Mapping[str, Any], before: str, after: str) -> tuple[str, ...]:
    """What of a neutral form of Keras `before` nothing in Keras `after` does, in words; only downwards."""
    asked = [each for direction, each in path(before, after) if direction == "down" and hasattr(each, "limits")]
    return tuple(said for each in asked for said in each.limits(document))
