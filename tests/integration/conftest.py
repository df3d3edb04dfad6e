"""Fixtures of tests that run real TensorFlow."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from installed import Installed
from needs import lacking
from real_project import RealProject
from repository import ROOT
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root
from tfmatrix.envs.uv import Uv
from tfmatrix.executors.supply import EnvironmentSupply
from tfmatrix.project.project import Project


@pytest.fixture
def real_project(tmp_path: Path) -> Callable[..., RealProject]:
    """Makes projects: `real_project(["2.15.1"], ["dense"])`."""

    def make(environments: Iterable[str], scenarios: Iterable[str] = (), settings: str = "") -> RealProject:
        return RealProject(tmp_path / "project", environments, scenarios, settings)

    return make


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, built and installed once."""
    return Installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture
def engine() -> None:
    """A Docker engine."""
    import docker

    try:
        docker.from_env(timeout=10).ping()
    except docker.errors.DockerException as error:
        lacking(f"no Docker engine answers: {error}")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str, str], Path]:
    """Runs a script in an environment of the checkout; returns what it wrote."""

    def write(environment: str, script: str, name: str) -> Path:
        cache = EnvironmentCache(root=default_cache_root())
        supply = EnvironmentSupply(locks=ROOT / "locks", cache=cache, uv=Uv(cache=cache.downloads), say=print)
        lock = supply.lock(Project(root=ROOT).config.environment(environment))
        path = tmp_path / name
        subprocess.run([supply.on_host(lock).python, "-c", script, path], check=True, capture_output=True)
        return path

    return write
