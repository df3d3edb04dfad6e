"""Finds the executors: the modules of this package that define one, and those of the entry points `tfmatrix.executors`.

What an executor's module defines:

- `NAME`: what `--executor` and matrix.yaml call it;
- `ORDER`: its place among those that `auto` tries; None where it is taken only when it is asked for;
- `open_executor(opening)`: the executor and why it was taken, in one line (see `opening`). Raises
  `base.UnavailableError` where it cannot work here: `auto` then tries the next one.

The entry point of a package is called as its executor is.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import tfmatrix.executors
from tfmatrix.core.errors import UsageError
from tfmatrix.core.plugins import AUTO, EXECUTORS, names_in, plugins
from tfmatrix.executors.base import Executor
from tfmatrix.executors.opening import Opening


@dataclass(frozen=True, kw_only=True)
class Kind:
    """An executor as its module describes it."""

    name: str
    order: int | None
    open: Callable[[Opening], tuple[Executor, str]]

    @classmethod
    def of(cls, module: Any) -> Kind:
        """Raises AttributeError where a module is no executor, TypeError where a part is not what it must be."""
        name, order, open_executor = module.NAME, module.ORDER, module.open_executor
        if not isinstance(name, str) or name == AUTO:
            raise TypeError(f"NAME is {name!r}, not a name of its own")
        if order is not None and (not isinstance(order, int) or isinstance(order, bool)):
            raise TypeError(f"ORDER is {order!r}, neither a whole number nor None")
        if not callable(open_executor):
            raise TypeError("open_executor is no function")
        return cls(name=name, order=order, open=open_executor)


@cache
def executors() -> Mapping[str, Kind]:
    """Name to executor, in the order in which `auto` tries them; those that it does not try follow.

    Raises UsageError where a plug-in is no executor, or has the name of another one.
    """
    found: dict[str, Kind] = {}
    for place, name, module in _modules():
        try:
            kind = Kind.of(module)
        except (AttributeError, TypeError) as error:
            raise UsageError(
                f"{place} is no executor: {error}",
                expected="NAME, ORDER and open_executor, as tfmatrix/executors/registry.py describes them",
                fix="correct or uninstall what brings it",
            ) from error
        if kind.name in found or kind.name != name:
            taken = f"there is an executor {name!r} already" if kind.name in found else f"it calls itself {kind.name!r}"
            raise UsageError(f"{place}: {taken}", fix="give the entry point and its NAME one name of their own")
        found[kind.name] = kind
    return dict(sorted(found.items(), key=lambda item: (item[1].order is None, item[1].order or 0, item[0])))


def _modules() -> Iterator[tuple[str, str, Any]]:
    # By a glance at the files: most modules of this package are no executors, and some are slow to import.
    for info in pkgutil.iter_modules(tfmatrix.executors.__path__):
        if name := names_in(tfmatrix.executors.__path__[0]).get(info.name):
            yield info.name, name, import_module(f"tfmatrix.executors.{info.name}")
    yield from plugins(EXECUTORS)
