"""The remedies: documented workarounds for a load that fails. One file each; a new one is found by itself.

A file of this folder holds both sides of a remedy: when the host finds it worth a try, and what the worker does then.

`NAME`
    What reports show.
`ORDER`
    Its place among the tries: what a person would do first comes first. From 90 on: what gives up the file's own model.
`place(failing)` (optional)
    Another place than `ORDER`, for a cell that says so.
`LAST_RESORT` (optional)
    That it is recommended only where nothing else brings back the model: it changes the environment.
`PRICE`
    What it costs, in words; empty where it costs nothing.
`OF` (optional)
    The loader that it mends, as reports name it; without it `keras.models.load_model`.
`ADVICE`
    What a person is told to do, in a sentence; code in backticks.
`helps(failing)`
    Whether it is worth a try (see `Failing`). Host side: nothing but the standard library is there.
`change(loading)`
    What the worker does otherwise than the plain call (see `loading.Loading`). Without it, another loader or reader
    makes the plain call.
`LOADER` (optional)
    The id of the format whose loader takes the artifact.
`reader(failing)` (optional)
    The id of the environment that reads instead.
`VARIABLES` (optional)
    Environment variables (name, value) under which the reader runs, from its start.
`SWITCH` (optional)
    That it is a switch which the writer has as well: it is tried there, too, and where a difference goes away between
    the two, it is the switch's and not the version's.
`MIGRATES` (optional)
    That the artifact is made anew by the reader, and that loaded in the old one's place.
`COMBINES` (optional)
    That it may be combined with the others that say so; its place in the name of the combination.

Every exception of TensorFlow and Keras passes: it says that the remedy does not help.
"""

from __future__ import annotations

import importlib
import os
from typing import Any, Dict

from ._failing import COMPUTED, LOAD_MODEL, Failing
from .migrated import NAME as MIGRATE

__all__ = ["AND", "COMPUTED", "LOAD_MODEL", "MIGRATE", "Failing", "price_of", "remedies"]

AND = " + "
"""Joins the names of remedies that are combined."""


def remedies() -> Dict[str, Any]:
    """Name of the file to module, in the order of the tries."""
    files = sorted(os.listdir(os.path.dirname(__file__)))
    names = [file[:-3] for file in files if file.endswith(".py") and file[0] not in "_."]
    found = {name: importlib.import_module("." + name, __name__) for name in names}
    return dict(sorted(found.items(), key=lambda item: item[1].ORDER))


def price_of(name: str) -> str:
    """What a remedy costs, in words, by the name that reports show; empty for one that costs nothing."""
    prices = {module.NAME: module.PRICE for module in remedies().values()}
    return "; ".join(prices[part] for part in name.split(AND) if prices.get(part))
