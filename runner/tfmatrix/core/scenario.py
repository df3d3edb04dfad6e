"""A scenario as data: what is known of its file without importing it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A scenario file as read by AST, without importing it. `title` is the docstring's first line.

    `functions` are those of the scenario contract that it has; `has_definitions` says whether it defines classes or
    functions of its own beside them.
    """

    name: str
    path: str
    title: str
    description: str
    digest: str
    formats: tuple[str, ...] | None
    requires: tuple[str, ...]
    tags: tuple[str, ...]
    has_training: bool
    uses_keras: bool
    functions: tuple[str, ...] = ()
    has_definitions: bool = False
