"""What is measured, as data: a scenario, known without importing its file, or a model file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is measured. `title` is one line; `digest` covers all that makes it what it is.

    `formats` are those it is saved in (None: all that fit), `requires` what its writer must have (PEP 508 specifiers);
    `checks` are those that its own format promises (None: all that fit);
    `has_definitions` says whether its code defines classes or functions of its own that a loader could be given.
    """

    name: str
    title: str
    description: str
    digest: str
    formats: tuple[str, ...] | None
    requires: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    uses_keras: bool = True
    has_definitions: bool = False
    checks: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Scenario(Subject):
    """A scenario file as read by AST, without importing it. `title` is the docstring's first line.

    `functions` are those of the scenario contract that it has. `sources` are the project's files that it can import, by
    where they stand below the path: they are part of its digest.
    """

    path: str
    has_training: bool
    functions: tuple[str, ...] = ()
    sources: Mapping[str, Path] = field(default_factory=dict)
