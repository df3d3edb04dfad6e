"""What a shell completes: sets, scenarios, formats, environments, runs, of the project that `-C` names.

Nobody reads an error while completing: a project with a mistake completes to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tfmatrix.core.errors import TfmatrixError

if TYPE_CHECKING:
    from tfmatrix.project.project import Project

Completer = Callable[[typer.Context, str], list[str]]


def _completes(names: Callable[[Project], Iterable[str]]) -> Completer:
    @wraps(names)
    def complete(context: typer.Context, incomplete: str) -> list[str]:
        from tfmatrix.project.project import Project

        options: dict[str, Any] = context.params
        try:
            found = list(names(Project(root=Path(options.get("project") or ".").resolve())))
        except (TfmatrixError, OSError):
            return []
        return [name for name in found if name.startswith(incomplete)]

    # Typer tells the arguments from their types.
    complete.__annotations__ = {"context": typer.Context, "incomplete": str}
    del complete.__wrapped__
    return complete


@_completes
def sets(project: Project) -> Iterable[str]:
    """The named selections of matrix.yaml."""
    return project.config.sets


@_completes
def environments(project: Project) -> Iterable[str]:
    """The ids of the environments."""
    return [each.id for each in project.config.environments]


@_completes
def scenarios(project: Project) -> Iterable[str]:
    """The names of the scenarios, and `tag:NAME`."""
    found = project.scenarios
    return [*(each.name for each in found), *sorted({f"tag:{tag}" for each in found for tag in each.tags})]


@_completes
def formats(project: Project) -> Iterable[str]:
    """The ids of the formats."""
    return project.formats


@_completes
def runs(project: Project) -> Iterable[str]:
    """`latest`, `previous`, and the ids of the runs, newest first."""
    from tfmatrix.store.runs import list_runs

    return ["latest", "previous", *sorted((each.id for each in list_runs(project.results)), reverse=True)]


@_completes
def cells(project: Project) -> Iterable[str]:
    """The ids of the cells of the newest run."""
    from tfmatrix.store.runs import read_run

    return [record.cell for record in read_run(project.results, "latest").records]
