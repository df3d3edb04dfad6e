"""`tfmatrix clean`: what interrupted runs left behind is removed."""

from __future__ import annotations

import shutil

from tfmatrix.envs.provision import EnvironmentCache, default_cache_root
from tfmatrix.executors.engine import EngineUnavailableError, connect, remove_images, sweep_all
from tfmatrix.project.project import Project


def clean_up(project: Project, *, store: bool, force: bool) -> list[str]:
    """Removes what interrupted runs left: containers, work folders, half-built environments; returns a line for each.

    With `store` also everything measured. Containers of runs that go on stay, but for `force`; what is being built
    stays in any case.
    """
    lines = []
    try:
        client = connect().client
        lines += [f"removed container {name}" for name in sweep_all(client, force=force)]
        lines += [f"removed image {name}" for name in remove_images(client)]
    except EngineUnavailableError as error:
        lines.append(f"no containers looked for: {error.what}")
    for folder in [project.store / "work", *([project.store] if store else [])]:
        if folder.is_dir():
            shutil.rmtree(folder)
            lines.append(f"removed {folder}")
    half_built = EnvironmentCache(root=default_cache_root()).remove_half_built()
    if half_built.keys:
        lines.append(
            f"removed {len(half_built.keys)} half-built environments: {half_built.freed_bytes / 1e6:.0f} MB freed"
        )
    return lines
