"""The scenario's code with the arguments that it does not give as they were in the writer."""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import Any, Callable, Dict, Iterator, Mapping

from observe import config
from observe import optimizer as optimizers
from observe.layers import walk

Arguments = Dict[type, Dict[str, Any]]
"""By class: what its constructor is given where the code does not give it."""

_ASIDE = ("axis", "dtype", "seed")
"""What versions only write otherwise, or draw."""


def arguments(model: Any, writer: Mapping[str, Any]) -> Arguments:
    """The arguments in which the model's own configuration is not the writer's (the sections `config`, `compile`)."""
    found: Arguments = {}
    there = {entry["path"]: entry.get("config") or {} for entry in (writer.get("config") or {}).get("layers") or ()}
    for path, layer in walk(model):
        if path in there:
            _add(found, type(layer), config.layer_config(layer), there[path])
    if config.is_compiled(model):
        chosen = optimizers.unwrapped(model.optimizer)
        own = optimizers.hyperparameters(chosen)
        _add(found, type(chosen), own, (writer.get("compile") or {}).get("hyperparameters") or {})
    return found


def _add(found: Arguments, kind: type, own: Mapping[str, Any], there: Mapping[str, Any]) -> None:
    taken = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    for name, value in there.items():
        if name in own and own[name] != value and name in taken and name not in _ASIDE:
            found.setdefault(kind, {})[name] = value


@contextlib.contextmanager
def given(changes: Arguments) -> Iterator[None]:
    """Within it, constructors get these arguments where the code gives none."""
    before = {}
    for kind, values in changes.items():
        before[kind] = kind.__dict__.get("__init__")
        kind.__init__ = _with(kind.__init__, values)  # type: ignore[misc]
    try:
        yield
    finally:
        for kind, init in before.items():
            if init is None:
                del kind.__init__  # type: ignore[misc]
            else:
                kind.__init__ = init  # type: ignore[misc]


def _with(init: Callable[..., None], values: Mapping[str, Any]) -> Callable[..., None]:
    names = list(inspect.signature(init).parameters)[1:]

    @functools.wraps(init)
    def changed(self: Any, *args: Any, **kwargs: Any) -> None:
        by_place = names[: len(args)]
        for name, value in values.items():
            if name not in by_place:
                kwargs.setdefault(name, value)
        init(self, *args, **kwargs)

    return changed
