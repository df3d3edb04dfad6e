"""An executor that a package brings: found by its entry point, allowed in matrix.yaml, taken when asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fakes import FakeSupply
from tfmatrix.core.errors import ConfigError, InfrastructureError, UsageError
from tfmatrix.executors import choose, registry
from tfmatrix.project.config import Defaults, load_config

PLUGIN = """\
from fakes import FakeExecutor
from tfmatrix.executors.base import UnavailableError

NAME = "cluster"
ORDER = None


def open_executor(opening):
    if opening.defaults.network.offline:
        raise UnavailableError("the cluster is out of reach", fix="ask its people")
    return FakeExecutor(name=NAME), f"a cluster for {len(opening.environments)} environments"
"""
MATRIX = 'schema: 1\nenvironments:\n  - {tensorflow: "2.15.1"}\ndefaults: {executor: NAME}\n'


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a package with the entry point `cluster`."""

    def install(text: str = PLUGIN) -> None:
        site = tmp_path / "site"
        (site / "tfm_cluster-1.dist-info").mkdir(parents=True)
        (site / "tfm_cluster-1.dist-info" / "METADATA").write_text("Name: tfm-cluster\nVersion: 1\n")
        entry = "[tfmatrix.executors]\ncluster = tfm_cluster\n"
        (site / "tfm_cluster-1.dist-info" / "entry_points.txt").write_text(entry)
        (site / "tfm_cluster.py").write_text(text)
        monkeypatch.syspath_prepend(site)

    registry.executors.cache_clear()
    yield install
    registry.executors.cache_clear()
    sys.modules.pop("tfm_cluster", None)


def chosen(setting: str, tmp_path: Path, defaults: Defaults | None = None):
    supply = FakeSupply(root=tmp_path, python=Path(sys.executable))
    return choose.choose_executor(setting, [], defaults=defaults or Defaults(), supply=supply, say=print)


def matrix(tmp_path: Path, name: str) -> Path:
    (tmp_path / "matrix.yaml").write_text(MATRIX.replace("NAME", name))
    return tmp_path / "matrix.yaml"


def test_our_own_are_tried_in_order():
    assert [kind.name for kind in registry.executors().values()] == ["docker", "venv"]


def test_one_of_a_package_is_found_and_taken_when_asked_for(installed, tmp_path):
    installed()
    assert load_config(matrix(tmp_path, "cluster")).defaults.executor == "cluster"
    executor, reason = chosen("cluster", tmp_path)
    assert (executor.name, reason) == ("cluster", "a cluster for 0 environments")
    with pytest.raises(InfrastructureError, match=r"cluster was asked for, but the cluster is out of reach") as caught:
        chosen("cluster", tmp_path, Defaults.model_validate({"network": {"offline": True}}))
    assert caught.value.fix == "ask its people"
    assert [kind.name for kind in registry.executors().values()] == ["docker", "venv", "cluster"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ORDER = None", "", "is no executor"),
        ('NAME = "cluster"', 'NAME = "grid"', "calls itself 'grid'"),
        ('NAME = "cluster"', 'NAME = "docker"', "an executor 'cluster'|calls itself 'docker'|'docker'"),
        ("ORDER = None", 'ORDER = "first"', "ORDER is 'first', neither a whole number nor None"),
        ('NAME = "cluster"', 'NAME = "auto"', "NAME is 'auto', not a name of its own"),
        ('NAME = "cluster"', "NAME = 7", "NAME is 7, not a name of its own"),
        ("def open_executor(", "open_executor = 1\n\n\ndef opened(", "open_executor is no function"),
        ("ORDER = None", "import no_such_module", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_one_that_is_wrong_is_one_error(installed, tmp_path, old, new, said):
    installed(PLUGIN.replace(old, new))
    with pytest.raises(UsageError, match=said):
        chosen("venv", tmp_path)


def test_one_that_there_is_not_is_an_error_with_its_line(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_config(matrix(tmp_path, "dokcer"))
    assert "matrix.yaml:4" in str(caught.value)
    assert 'did you mean "docker"?' in str(caught.value)
