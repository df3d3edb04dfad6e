"""The forms in which `tfmatrix report --format` tells a run. One file each; a new one is found by itself.

What stands in a file: `NAME`, what `--format` takes; and one of

- `render(run, *, detail, width, colour)`: the run as text; without its scenarios where `detail` is false, within
  `width` columns, with ANSI colours where the form has such;
- `write(run, results, folder)`: the run as a folder; returns the file to open first. `results` holds earlier runs.

Same run, same bytes. A file without a NAME is none.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from tfmatrix.core.errors import UsageError
from tfmatrix.core.hints import did_you_mean, one_of
from tfmatrix.core.plugins import names_in

DEFAULT = "table"


def form_names() -> tuple[str, ...]:
    """What there is, the default first; none is imported."""
    return tuple(sorted(names_in(str(Path(__file__).parent)).values(), key=lambda name: (name != DEFAULT, name)))


def form(name: str) -> Any:
    """The module of a form. Raises UsageError where there is none."""
    modules = {found: module for module, found in names_in(str(Path(__file__).parent)).items()}
    if name not in modules:
        raise UsageError(
            f"unknown report format {name!r}", expected=one_of(form_names()), fix=did_you_mean(name, modules)
        )
    return import_module(f"{__name__}.{modules[name]}")
