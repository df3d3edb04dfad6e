"""What may be added by a file of its own, or by an installed package (its entry points)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from tfmatrix.core.errors import UsageError

EXECUTORS = "tfmatrix.executors"
"""Group of entry points; each names a module that is an executor, and is called like it."""

ENGINES = "tfmatrix.engines"
"""The same for engines."""
AUTO = "auto"
"""What is called like no executor: the first that can work."""

_NAME = re.compile(r'^NAME = "([\w-]+)"$', re.MULTILINE)


@cache
def names_in(folder: str) -> dict[str, str]:
    """Module to the NAME that it gives itself, of those of a folder that do."""
    found = {path.stem: _NAME.search(path.read_text("utf-8")) for path in sorted(Path(folder).glob("*.py"))}
    return {module: name[1] for module, name in found.items() if name}


def plugins(group: str) -> Iterator[tuple[str, str, Any]]:
    """The entry points of a group, by name: what they are in an error, their name, and what they name, imported.

    Raises UsageError where that cannot be imported.
    """
    for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
        place = f"the plug-in {entry.name} ({entry.value})"
        try:
            yield place, entry.name, entry.load()
        except Exception as error:  # a plug-in may raise anything
            raise UsageError(
                f"{place} cannot be imported: {type(error).__name__}: {error}",
                fix="correct or uninstall what brings it",
            ) from error


def executor_names() -> tuple[str, ...]:
    """What `executor` in matrix.yaml may be."""
    own = names_in(str(Path(__file__).parent.parent / "executors")).values()
    return (AUTO, *own, *sorted(entry.name for entry in entry_points(group=EXECUTORS)))
