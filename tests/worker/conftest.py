"""Real interpreters for the tests marked `real`, and what one run of `real_probe.py` in each of them found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root
from tfmatrix.envs.uv import Uv
from tfmatrix.executors.supply import EnvironmentSupply
from tfmatrix.project.formats import own_formats
from tfmatrix.project.project import Project

# The worker's modules import each other as a script's: `from protocol import …`. Last, so that they hide nothing.
sys.path.append(str(ROOT / "runner" / "tfmatrix" / "worker"))

PYTHONS_VARIABLE = "TFMATRIX_TEST_PYTHONS"
"""Interpreters with TensorFlow to test instead of those of the locks: path1:path2."""

LOCKED = ("2.15.1", "2.21.0")
"""One environment on each side of Keras 3."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "tensorflow" in metafunc.fixturenames:
        given = [Path(path) for path in os.environ.get(PYTHONS_VARIABLE, "").split(os.pathsep) if path]
        named = [pytest.param(path, id=path.parent.parent.name) for path in given]
        metafunc.parametrize("tensorflow", named or LOCKED, scope="session")


@pytest.fixture(scope="session")
def tensorflow_python(tensorflow: Path | str) -> Path:
    """An interpreter with TensorFlow: the one given, or that of a lock, provided on first use."""
    if isinstance(tensorflow, Path):
        return tensorflow
    environment = Project(root=ROOT).config.environment(tensorflow)
    cache = EnvironmentCache(root=default_cache_root())
    supply = EnvironmentSupply(locks=ROOT / "locks", cache=cache, uv=Uv(cache=cache.downloads), say=print)
    return supply.on_host(supply.lock(environment)).python


@pytest.fixture(scope="session")
def probed(tensorflow: object, tensorflow_python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of real_probe.py in that environment: experiment → what it found."""
    folder = tmp_path_factory.mktemp("probe")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    formats = {name: each.to_job() for name, each in own_formats().items()}
    (folder / "formats.json").write_text(json.dumps(formats))
    script = Path(__file__).with_name("real_probe.py")
    done = subprocess.run(
        [tensorflow_python, "-I", script, ROOT, folder],
        env=environment,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    results: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return results


@pytest.fixture
def experiment(probed: dict[str, Any]) -> Any:
    """Looks one experiment up, and fails with its traceback where it raised."""

    def lookup(name: str) -> Any:
        found = probed[name]
        if isinstance(found, dict) and "raised" in found:
            pytest.fail(found["raised"], pytrace=False)
        return found

    return lookup
