"""`tfmatrix env`: the environments of a project, listed, provided ahead of a run, and removed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ExitCode, InfrastructureError
from tfmatrix.engine.progress import make_progress
from tfmatrix.envs.lock import read_lock
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root
from tfmatrix.executors.choose import open_executor
from tfmatrix.project.network import with_network
from tfmatrix.project.project import Project


def chosen_environments(project: Project, ids: Sequence[str]) -> list[Environment]:
    """The environments of those ids, all without any; UsageError with a did-you-mean for one that there is not."""
    return [project.config.environment(each) for each in ids] if ids else list(project.config.environments)


def describe_environments(
    project: Project, *, set_name: str | None = None, brief: bool = False
) -> list[dict[str, Any]]:
    """One row per environment of matrix.yaml, or of a set: its versions, and how large it is where it is provided.

    `brief` leaves the cache alone, whose sizes take seconds: only what matrix.yaml and the locks say.
    """
    cached = () if brief else EnvironmentCache(root=default_cache_root()).list_environments()
    provided = {found.lock: found for found in cached}
    rows = []
    for environment in project.config.selection(set_name).environments:
        lock = None if environment.image else read_lock(project.locks, environment)
        row: dict[str, Any] = {
            "environment": environment.id,
            "python": environment.python,
            "tensorflow": lock.tensorflow if lock else environment.tensorflow,
            "keras": lock.keras if lock else "",
            "locked": environment.image or ("yes" if lock else "no"),
        }
        if not brief:
            found = provided.get(lock.digest) if lock is not None else None
            row |= {"provided": "yes" if found else "no", "MB": round(found.bytes / 1e6) if found else None}
        rows.append(row)
    return rows


def build_environments(
    project: Project, ids: Sequence[str], *, executor: str | None = None, offline: bool = False, quiet: bool = False
) -> ExitCode:
    """Provides environments ahead of a run."""
    environments = chosen_environments(project, ids)
    defaults = with_network(project.config.defaults, offline=offline)
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


def prune_environments(project: Project, *, everything: bool) -> list[str]:
    """Removes provided environments that no lock of this project asks for; returns a line for each."""
    cache = EnvironmentCache(root=default_cache_root())
    wanted: set[str] = set()
    if not everything:
        locks = [read_lock(project.locks, each) for each in project.config.environments if not each.image]
        wanted = {lock.digest for lock in locks if lock is not None}
    known = {found.key: found for found in cache.list_environments()}
    pruned = cache.prune([key for key, found in known.items() if found.lock in wanted])
    lines = [f"removed {known[key].environment_id or key}" for key in pruned.keys if key in known]
    return [*lines, f"{len(pruned.keys)} environments, {pruned.freed_bytes / 1e6:.0f} MB freed"]
