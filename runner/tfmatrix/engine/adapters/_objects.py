"""Serialized objects in a neutral form: dictionaries with a class and a configuration, nested in each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Object = Mapping[str, Any]


class CannotAdaptError(Exception):
    """The neutral form cannot be put into the target's terms: the message says why, `fix` what to do."""

    def __init__(self, reason: str, fix: str = "") -> None:
        super().__init__(reason)
        self.fix = fix


def is_object(value: Any) -> bool:
    """Whether a value is a serialized object with a configuration of its own."""
    return isinstance(value, Mapping) and "class_name" in value and isinstance(value.get("config"), Mapping)


def mapped(value: Any, change: Callable[[Object], Any]) -> Any:
    """The value with every serialized object in it changed, the inner ones first."""
    if isinstance(value, list):
        return [mapped(item, change) for item in value]
    if not isinstance(value, Mapping):
        return value
    inner = {name: mapped(item, change) for name, item in value.items()}
    return change(inner) if is_object(inner) else inner


def in_model(document: Mapping[str, Any], change: Callable[[Object], Any]) -> dict[str, Any]:
    """The document with every object of the model changed."""
    return {**document, "model": mapped(document["model"], change)}


def in_compile(document: Mapping[str, Any], change: Callable[[Object], Any]) -> dict[str, Any]:
    """The document with every object of what compile was given changed."""
    return {**document, "compile": mapped(document["compile"], change)}


def with_config(each: Object, config: Mapping[str, Any]) -> dict[str, Any]:
    """The object with another configuration."""
    return {**each, "config": dict(config)}


def without(each: Object, *names: str) -> dict[str, Any]:
    """The object without some arguments."""
    return with_config(each, {name: value for name, value in each["config"].items() if name not in names})


def objects(value: Any) -> Iterator[Object]:
    """Every serialized object in a value, the outer ones first."""
    if isinstance(value, list):
        for item in value:
            yield from objects(item)
    elif isinstance(value, Mapping):
        if is_object(value):
            yield value
        for item in value.values():
            yield from objects(item)


def layers(value: Any) -> Iterator[Object]:
    """Every object in a value that is listed as a layer of a model."""
    for each in objects(value):
        listed = each["config"].get("layers")
        if isinstance(listed, list):
            yield from (item for item in listed if is_object(item))


def is_model(each: Object) -> bool:
    """Whether an object is a model that lists its layers."""
    return isinstance(each["config"].get("layers"), list)
