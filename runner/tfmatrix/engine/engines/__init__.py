"""Engines: whatever runs units on other machines, one module each, found by itself, or by an entry point of the group
`tfmatrix.engines`. What an engine is says `base`; a module of this folder defines `open_engine`, see `Open` there.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any

from tfmatrix.core.errors import UsageError
from tfmatrix.core.hints import did_you_mean, one_of
from tfmatrix.core.plugins import ENGINES, plugins
from tfmatrix.engine.engines.base import Engine, Setting


@cache
def engines() -> Mapping[str, Any]:
    """Every engine's module by its name. None of ours imports what its engine needs before it is opened."""
    names = [each.name for each in pkgutil.iter_modules(__path__) if each.name[0] != "_" and each.name != "base"]
    own = {name: importlib.import_module(f"{__name__}.{name}") for name in names}
    return {**{name: module for _, name, module in plugins(ENGINES)}, **own}


def open_engine(name: str, setting: Setting) -> Engine:
    """The engine of that name. Raises UsageError for one that there is not, or for an option that it does not have."""
    if name not in engines():
        raise UsageError(f"unknown engine {name!r}", expected=one_of(engines()), fix=did_you_mean(name, engines()))
    module = engines()[name]
    options: Mapping[str, str] = module.OPTIONS
    for each in setting.options:
        if each not in options:
            known = [f"{key} ({meaning})" for key, meaning in options.items()] or ["none"]
            raise UsageError(
                f"engine {name} has no option {each!r}", expected=", ".join(known), fix=did_you_mean(each, options)
            )
    opened: Engine = module.open_engine(setting)
    return opened
