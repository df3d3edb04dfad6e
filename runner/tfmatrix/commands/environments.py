"""`tfmatrix env`: the environments of a project, listed, provided ahead of a run, and removed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ExitCode, InfrastructureError
from tfmatrix.engine.progress import make_progress
from tfmatrix.envs.lock import read_lock
from tfmatrix.envs.provision import CachedEnvironment, EnvironmentCache, Pruned, default_cache_root
from tfmatrix.executors.choose import open_executor
from tfmatrix.project.network import with_network
from tfmatrix.project.project import Project

UNUSED_DAYS = 30
"""An environment that nobody has used for so long may go."""


def chosen_environments(project: Project, ids: Sequence[str]) -> list[Environment]:
    """The environments of those ids, all without any; UsageError with a did-you-mean for one that there is not."""
    config = project.config_of_environments
    return [config.environment(each) for each in ids] if ids else list(config.environments)


def describe_environments(
    project: Project, *, set_name: str | None = None, brief: bool = False
) -> list[dict[str, Any]]:
    """One row per environment of matrix.yaml, or of a set; without a set also those that only the cache has.

    `brief` leaves the cache alone, whose sizes take seconds: only what matrix.yaml and the locks say. Elsewhere a row
    has the size in MB, the day of the last use, the projects that ask for the environment, and its folder.
    """
    cached = () if brief else EnvironmentCache(root=default_cache_root()).list_environments()
    unlisted = {found.key: found for found in cached}
    rows = []
    for environment in _selected(project, set_name):
        lock = None if environment.image else read_lock(project.locks, environment)
        row: dict[str, Any] = {
            "environment": environment.id,
            "python": environment.python,
            "tensorflow": lock.tensorflow if lock else environment.tensorflow,
            "keras": lock.keras if lock else "",
            "locked": environment.image or ("yes" if lock else "no"),
        }
        if brief:
            rows.append(row)
            continue
        # The same lock on another interpreter is another environment.
        mine = [found for found in cached if lock is not None and found.lock == lock.digest]
        rows += [row | _provided(found) for found in mine] or [row | _provided(None)]
        for found in mine:
            unlisted.pop(found.key, None)
    if set_name is None:
        for found in unlisted.values():
            named = {"environment": found.environment_id, "python": found.python}
            rows.append(named | {"tensorflow": "", "keras": "", "locked": "elsewhere"} | _provided(found))
    return rows


def _selected(project: Project, set_name: str | None) -> Sequence[Environment]:
    if set_name is None and not project.matrix_file.exists():
        return ()  # what the cache has is asked for where there is no project, too
    return project.config_of_environments.selection(set_name).environments


def _provided(found: CachedEnvironment | None) -> dict[str, Any]:
    return {
        "provided": "yes" if found else "no",
        "MB": round(found.bytes / 1e6) if found else None,
        "last_used": f"{found.last_used:%Y-%m-%d}" if found else "",
        "projects": [str(each) for each in found.projects] if found else [],
        "path": str(found.folder) if found else "",
    }


def build_environments(
    project: Project, ids: Sequence[str], *, executor: str | None = None, offline: bool = False, quiet: bool = False
) -> ExitCode:
    """Provides environments ahead of a run."""
    environments = chosen_environments(project, ids)
    defaults = with_network(project.config_of_environments.defaults, offline=offline)
    failed = False
    with make_progress(quiet=quiet) as progress:
        opened, reason = open_executor(
            project, environments, defaults, asked=executor, say=progress.message, run="build"
        )
        progress.message(f"executor {opened.name}: {reason}")
        progress.environments(len(environments))
        try:
            for environment in environments:
                start = time.monotonic()
                progress.environment_started(environment.id)
                try:
                    opened.prepare(environment)
                except InfrastructureError as error:
                    failed = True
                    progress.warning(f"{environment.id} cannot be provided: {error}")
                else:
                    progress.environment_ready(environment.id, time.monotonic() - start, "")
        finally:
            opened.sweep()
    return ExitCode.INFRASTRUCTURE if failed else ExitCode.OK


@dataclass(frozen=True, kw_only=True)
class Pruning:
    """What would be removed, how many bytes that frees, and how many environments stay."""

    environments: tuple[CachedEnvironment, ...]
    freed_bytes: int
    kept: int
    older_than: timedelta

    def rows(self) -> list[dict[str, str]]:
        """One row for each, for the user who is asked."""
        return [
            {
                "environment": each.environment_id or each.key,
                "python": each.python,
                "MB": f"{each.bytes / 1e6:.0f}",
                "last used": f"{each.last_used:%Y-%m-%d}",
                "asked for by": ", ".join(map(str, each.projects)) or "no project",
            }
            for each in self.environments
        ]


def plan_pruning(project: Project, *, unused_days: int | None = None, everything: bool = False) -> Pruning:
    """The environments that no project asks for, and nobody has used for some days (default: 30).

    The cache is shared by all projects of a user: those that still have a lock for an environment keep it, and so does
    whatever was used lately, for a question outside any matrix.yaml too. `everything` takes also what projects ask for.
    """
    cache = EnvironmentCache(root=default_cache_root())
    locks = (
        [read_lock(project.locks, each) for each in project.config_of_environments.environments if not each.image]
        if project.matrix_file.exists()
        else []
    )
    wanted = {lock.digest for lock in locks if lock is not None}
    days = unused_days if unused_days is not None else 0 if everything else UNUSED_DAYS
    older_than = timedelta(days=days)
    known = cache.list_environments()
    now = datetime.now(UTC)
    chosen = tuple(
        each
        for each in known
        if now - each.last_used >= older_than and (everything or not (each.projects or each.lock in wanted))
    )
    return Pruning(
        environments=chosen,
        freed_bytes=cache.freed_by_removing([each.key for each in chosen]),
        kept=len(known) - len(chosen),
        older_than=older_than,
    )


def prune_environments(pruning: Pruning) -> Pruned:
    """Removes what was planned, but for what somebody has begun to use since."""
    cache = EnvironmentCache(root=default_cache_root())
    chosen = {each.key for each in pruning.environments}
    keep = [each.key for each in cache.list_environments() if each.key not in chosen]
    return cache.prune(keep, older_than=pruning.older_than)
