"""The scenario's code with the arguments that it does not give as they were in the writer."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any, Dict, Iterator, Mapping

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
    taken = inspect.signature(_function(kind)).parameters
    for name, value in there.items():
        has_default = name in taken and taken[name].default is not inspect.Parameter.empty
        if has_default and name in own and own[name] != value and name not in _ASIDE:
            found.setdefault(kind, {})[name] = value


@contextlib.contextmanager
def given(changes: Arguments) -> Iterator[None]:
    """Within it, the defaults of constructors are these: what the code gives stays as it is.

    Keras looks at constructors to write configurations, so that they stay what they are, but for the values.
    """
    before = []
    for kind, values in changes.items():
        function = _function(kind)
        before.append((function, function.__defaults__, function.__kwdefaults__))
        parameters = list(inspect.signature(function).parameters.values())
        defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
        defaults.update(values)
        function.__defaults__ = tuple(
            defaults[each.name]
            for each in parameters
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) and each.name in defaults
        )
        function.__kwdefaults__ = {
            each.name: defaults[each.name]
            for each in parameters
            if each.kind is each.KEYWORD_ONLY and each.name in defaults
        } or None
    try:
        yield
    finally:
        for function, defaults_before, keywords_before in reversed(before):
            function.__defaults__, function.__kwdefaults__ = defaults_before, keywords_before


def _function(kind: type) -> Any:
    """The function behind a constructor, whatever Keras wraps it in."""
    return inspect.unwrap(kind.__init__)  # type: ignore[misc]
