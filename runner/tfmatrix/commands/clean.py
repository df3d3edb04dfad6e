"""`tfmatrix clean`: what interrupted runs left behind is removed."""

from __future__ import annotations

import re
import shutil

from tfmatrix.core.errors import UsageError
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root
from tfmatrix.executors.engine import EngineUnavailableError, connect, remove_images, sweep_all
from tfmatrix.project.project import Project
from tfmatrix.store.budget import needed_by_runs, prune_store
from tfmatrix.store.folders import sweep

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?\s*", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def parse_size(text: str) -> int:
    """The bytes of "20GB", "500 MB" or "0"; UsageError for anything else."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise UsageError(f'--keep "{text}" is no size', expected="a number with a unit", fix="such as --keep 20GB")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def keep_within(project: Project, budget: int) -> list[str]:
    """Prunes the store, then environments that no project asks for, by last use; returns what was done.

    `budget` is in bytes, for both together. What a run needs stays: the newest of each set, those under
    `results/published`, and those that go on.
    """
    cache = EnvironmentCache(root=default_cache_root())
    environments = cache.list_environments()
    lines = []
    taken = sum(each.bytes for each in environments)
    spare = [each for each in reversed(environments) if not each.projects]
    while spare and taken > budget:
        chosen = spare.pop(0)
        pruned = cache.prune([each.key for each in cache.list_environments() if each.key != chosen.key])
        if pruned.keys:
            taken -= chosen.bytes
            lines.append(f"removed the environment {chosen.environment_id or chosen.key}: nobody asks for it")
    needed = needed_by_runs(project.results, sorted((project.root / "results" / "published").glob("*")))
    freed = prune_store(project.store, keep=max(0, budget - taken), needed=needed)
    removed, left = f"{freed.outcomes} outcomes removed, {freed.bytes / 1e6:.0f} MB freed", f"{freed.left / 1e6:.0f} MB"
    lines.append(f"the store: {removed}, {left} left")
    lines.append(f"environments: {taken / 1e6:.0f} MB")
    if freed.left + taken > budget:
        lines.append("more than the budget: runs and projects still need the rest")
    return lines


def clean_up(project: Project, *, store: bool, force: bool) -> list[str]:
    """Removes what interrupted runs left: containers, work folders, half-built environments; returns a line for each.

    With `store` also everything measured. Containers of runs that go on stay, and so does the store that they read, but
    for `force`; their work folders and what is being built stay in any case.
    """
    lines = []
    try:
        client = connect().client
        lines += [f"removed container {name}" for name in sweep_all(client, force=force)]
        lines += [f"removed image {name}" for name in remove_images(client)]
    except EngineUnavailableError as error:
        lines.append(f"no containers looked for: {error.what}")
    work = project.store / "work"
    lines += [f"removed {folder}" for folder in (sweep(work) if work.is_dir() else ())]
    if store and project.store.is_dir():
        living = [path.name for path in work.iterdir() if path.is_dir()] if work.is_dir() else []
        if living and not force:
            raise UsageError(
                f"the run {living[0]} goes on, and reads what is measured",
                expected="no run of this project",
                fix="wait for its end or stop it; --force removes the store all the same",
            )
        shutil.rmtree(project.store)
        lines.append(f"removed {project.store}")
    half_built = EnvironmentCache(root=default_cache_root()).remove_half_built()
    if half_built.keys:
        lines.append(
            f"removed {len(half_built.keys)} half-built environments: {half_built.freed_bytes / 1e6:.0f} MB freed"
        )
    return lines
