"""What calls write and read each of tfmatrix's own formats, from their declarations."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from tfmatrix.worker import formats


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One format: a line about it, the calls as text, since when it can be written, and what it promises."""

    title: str
    save: str
    load: str
    requires: tuple[str, ...]
    promises: tuple[str, ...]


@cache
def declared() -> Mapping[str, Declared]:
    """By id. A project's own formats are not among them: a run does not keep their declarations."""
    modules = [
        importlib.import_module(f"{formats.__name__}.{each.name}")
        for each in pkgutil.iter_modules(formats.__path__)
        if not each.name.startswith("_")
    ]
    by_id = {module.ID: module for module in modules}
    found = {}
    for name, module in by_id.items():
        saver = by_id[getattr(module, "SAVER", name)]
        found[name] = Declared(
            title=(module.__doc__ or "").strip().splitlines()[0],
            save=str(getattr(saver, "SAVE", "")).strip(),
            load=str(getattr(module, "LOAD", "")).strip(),
            requires=tuple(getattr(saver, "REQUIRES", {}).values()),
            promises=tuple(check for check in getattr(module, "CHECKS", ()) if check not in ("load", "warnings")),
        )
    return found
