"""How a project reaches the package index: one place that makes a Uv, as matrix.yaml and the command line say."""

from __future__ import annotations

from pathlib import Path

from tfmatrix.envs.provision import EnvironmentCache, default_cache_root
from tfmatrix.envs.releases import Index
from tfmatrix.envs.uv import Network, Uv
from tfmatrix.project.config import Defaults, read_defaults
from tfmatrix.project.project import Project


def with_network(defaults: Defaults, *, offline: bool) -> Defaults:
    """The settings of matrix.yaml, as `--offline` changes them."""
    if not offline:
        return defaults
    return defaults.model_copy(update={"network": defaults.network.model_copy(update={"offline": True})})


def make_uv(
    defaults: Defaults | None = None, *, offline: bool = False, timeout: int | None = None, cache: Path | None = None
) -> Uv:
    """Uv over the shared cache (or that of the folder `cache`); without `defaults` as where there is no matrix.yaml.

    `timeout`, in seconds, is the network's where it is not the configured one.
    """
    network = with_network(defaults or Defaults(), offline=offline).network
    return Uv(
        cache=EnvironmentCache(root=cache or default_cache_root()).downloads,
        network=Network(offline=network.offline, timeout=timeout or network.timeout),
    )


def uv_of(project: Project, *, offline: bool = False) -> Uv:
    """Uv as the project is configured; matrix.yaml may be absent."""
    defaults = read_defaults(project.matrix_file) if project.matrix_file.exists() else None
    return make_uv(defaults, offline=offline)


def package_index(project: Project, *, offline: bool = False) -> Index:
    """The package index as the project is configured to ask it; matrix.yaml may be absent."""
    return Index.of(uv_of(project, offline=offline))
