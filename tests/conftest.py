"""Its presence puts this folder on sys.path: tests import `fakes` from here."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from package_index import tensorflow_index


def pytest_configure(config: pytest.Config) -> None:
    """Ctrl-C works, also where a script runs the tests in the background: it starts such jobs with SIGINT ignored, and
    every process that a test interrupts would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Tests are not timed: a machine that others use as well fails none.
    settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--slow`: also what is left out otherwise."""
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Slow tests are deselected, and counted as that, unless they are asked for."""
    if config.getoption("--slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@pytest.fixture(scope="session")
def served_index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a package index of this machine, with small packages that have TensorFlow's names and needs."""
    with tensorflow_index(tmp_path_factory.mktemp("index")).served() as url:
        yield url


@pytest.fixture
def package_index(served_index: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The only index that uv and pip know in this test, with a cache of its own."""
    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_DEFAULT_INDEX", served_index)
    monkeypatch.setenv("TFMATRIX_CACHE", str(tmp_path / "cache"))
    return served_index
