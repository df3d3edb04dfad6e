"""Arguments that a version added: upwards its default is what the older one does, downwards they must say no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tfmatrix.engine.adapters._objects import CannotAdaptError, Object, in_compile, in_model, with_config

ANY = (...,)
"""Stands for every value: how to compute, not what."""

Added = Mapping[str, Mapping[str, tuple[Any, ...]]]
"""Class to argument to the values at which an older version does the same without; the class "*" means every one."""


Change = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def adding(added: Added, version: str) -> tuple[Change, Change]:
    """The functions `up` and `down` of an adapter that says nothing else."""
    return (lambda document: document), (lambda document: dropped(document, added, version))


def dropped(document: Mapping[str, Any], added: Added, version: str) -> Mapping[str, Any]:
    """The document without them. Raises CannotAdaptError for one that says something Keras before has no word for."""

    def change(each: Object) -> Object:
        known = {**added.get("*", {}), **added.get(str(each["class_name"]), {})}
        if not known.keys() & each["config"].keys():
            return each
        for name in known.keys() & each["config"].keys():
            if known[name] != ANY and each["config"][name] not in known[name]:
                raise CannotAdaptError(
                    f"its {each['class_name']} {each['config'].get('name')} has {name}={each['config'][name]!r}, which "
                    f"Keras before {version} does not know"
                )
        return with_config(each, {name: value for name, value in each["config"].items() if name not in known})

    document = in_model(document, change)
    return document if document["compile"] is None else in_compile(document, change)
