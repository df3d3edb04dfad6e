"""Fixtures of tests that run real TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from needs import lacking
from real_project import RealProject


@pytest.fixture
def real_project(tmp_path: Path) -> Callable[..., RealProject]:
    """Makes projects: `real_project(["2.15.1"], ["dense"])`."""

    def make(environments: Iterable[str], scenarios: Iterable[str] = (), settings: str = "") -> RealProject:
        return RealProject(tmp_path / "project", environments, scenarios, settings)

    return make


@pytest.fixture
def engine() -> None:
    """A Docker engine."""
    import docker

    try:
        docker.from_env(timeout=10).ping()
    except docker.errors.DockerException as error:
        lacking(f"no Docker engine answers: {error}")
