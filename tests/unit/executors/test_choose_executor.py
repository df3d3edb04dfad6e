from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fakes import FakeExecutor, FakeSupply
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ExitCode, InfrastructureError, UsageError
from tfmatrix.executors import choose, docker
from tfmatrix.executors.docker import DockerExecutor
from tfmatrix.executors.engine import Engine, EngineUnavailableError
from tfmatrix.executors.images import Base, BaseImages, BaseUnavailableError
from tfmatrix.executors.venv import VenvExecutor
from tfmatrix.project.config import Defaults

ENVIRONMENTS = [
    Environment(id="2.15.1", tensorflow="2.15.1", python="3.11"),
    Environment(id="2.5.3", tensorflow="2.5.3", python="3.9"),
    Environment(id="official", image="tensorflow/tensorflow:2.15.0"),
]


@pytest.fixture
def ask(tmp_path):
    def ask(setting, environments=ENVIRONMENTS, defaults=None):
        supply = FakeSupply(root=tmp_path, python=Path(sys.executable))
        return choose.choose_executor(
            setting, environments, defaults=defaults or Defaults(), supply=supply, say=print, run="r1"
        )

    return ask


@pytest.fixture
def engine(monkeypatch):
    """An engine with a base for everything; returns what was asked of it."""
    asked = {"bases": [], "checks": [], "sweeps": []}

    def base_for(self, environment, *, pinned=""):
        asked["settings"] = self._settings
        asked["bases"].append(environment.id)
        name = f"python:{environment.python}-slim"
        return Base(kind="python-image", image=name, reference=name, digest="sha256:1", note=f"image {name}, local")

    def check(self, base):
        asked["limits"] = self._limits
        asked["checks"].append(base.reference)

    answer = Engine(client=None, version="24.0.7", os_type="linux", architecture="x86_64", cpus=2, rootless=False)
    monkeypatch.setattr(docker, "connect", lambda: answer)
    monkeypatch.setattr(docker, "sweep_all", lambda client: asked["sweeps"].append(client))
    monkeypatch.setattr(BaseImages, "for_environment", base_for)
    monkeypatch.setattr(DockerExecutor, "check", check)
    return asked


def no_engine():
    raise EngineUnavailableError("no Docker engine answers at the default socket (no such file)", fix="start Docker")


def test_docker_is_taken_where_it_works_and_says_what_with(engine, ask):
    executor, reason = ask("auto")
    assert executor.name == "docker"
    assert reason == "Docker 24.0.7; image python:3.11-slim, local; image python:3.9-slim, local"
    assert engine["bases"] == ["2.15.1", "2.5.3"], "an own image is its environment's affair"
    assert engine["checks"] == ["python:3.11-slim", "python:3.9-slim"]


def test_bases_are_checked_once(engine, ask):
    ask("auto", ENVIRONMENTS[:1] * 3)
    assert engine["checks"] == ["python:3.11-slim"]


def test_without_an_engine_the_environments_are_local_and_one_line_says_why(monkeypatch, ask):
    monkeypatch.setattr(docker, "connect", no_engine)
    executor, reason = ask("auto")
    assert isinstance(executor, VenvExecutor)
    assert reason == "local environments: no Docker engine answers at the default socket (no such file)"


def test_without_a_base_the_environments_are_local(monkeypatch, engine, ask):
    def nothing(self, environment, *, pinned=""):
        raise BaseUnavailableError("the registry does not answer: timed out")

    monkeypatch.setattr(BaseImages, "for_environment", nothing)
    executor, reason = ask("auto")
    assert executor.name == "venv"
    assert reason == "local environments: the registry does not answer: timed out"


def test_an_engine_that_does_not_run_our_containers_is_not_taken(monkeypatch, engine, ask):
    def broken(self, base):
        raise BaseUnavailableError("the engine does not run our containers: bind source path does not exist")

    monkeypatch.setattr(DockerExecutor, "check", broken)
    executor, reason = ask("auto")
    assert executor.name == "venv"
    assert "bind source path does not exist" in reason


def test_docker_asked_for_and_absent_is_an_error_that_says_what_to_do(monkeypatch, ask):
    monkeypatch.setattr(docker, "connect", no_engine)
    with pytest.raises(InfrastructureError) as caught:
        ask("docker")
    assert caught.value.exit_code is ExitCode.INFRASTRUCTURE
    assert caught.value.what.startswith("executor docker was asked for, but no Docker engine answers")
    assert caught.value.fix == "start Docker"


def test_venv_asked_for_does_not_look_for_an_engine(monkeypatch, ask):
    monkeypatch.setattr(docker, "connect", lambda: pytest.fail("an engine was looked for"))
    executor, reason = ask("venv")
    assert executor.name == "venv"
    assert reason == "local environments, as asked for"


def test_settings_reach_the_images_and_the_limits(engine, ask):
    defaults = Defaults.model_validate(
        {
            "memory": "2g",
            "docker": {"image": "mirror/py:{python}", "pull": "never", "cpus": 1.5, "pids": 77, "tmpfs": "1m"},
            "network": {"timeout": 3, "offline": True},
        }
    )
    ask("auto", defaults=defaults)
    settings, limits = engine["settings"], engine["limits"]
    assert (settings.template, settings.pull, settings.registry_seconds) == ("mirror/py:{python}", "never", 3.0)
    assert settings.offline is True
    assert (limits.memory, limits.cpus, limits.pids, limits.tmp_bytes) == (2 << 30, 1.5, 77, 1 << 20)


def test_images_alone_need_no_other_base(engine, ask):
    executor, reason = ask("auto", ENVIRONMENTS[2:])
    assert executor.name == "docker"
    assert reason == "Docker 24.0.7"
    assert engine["bases"] == []


def test_an_own_image_cannot_run_without_an_engine(monkeypatch, ask):
    executor, _ = ask("venv")
    with pytest.raises(InfrastructureError, match="needs executor docker"):
        executor.prepare(ENVIRONMENTS[2])


def test_the_venv_key_covers_lock_python_and_variables(ask):
    executor, _ = ask("venv")
    plain = executor.prepare(ENVIRONMENTS[0])
    again = executor.prepare(ENVIRONMENTS[0])
    legacy = executor.prepare(Environment(id="x", tensorflow="2.15.1", python="3.11", env={"TF_USE_LEGACY_KERAS": "1"}))
    assert plain.key == again.key != legacy.key
    assert plain.describe["base"]["kind"] == "host"
    assert plain.describe["packages"] == {"tensorflow": "2.15.1"}


def test_a_file_of_somebody_else_is_not_loaded_as_the_user(tmp_path):
    supply = FakeSupply(root=tmp_path, python=Path(sys.executable))
    with pytest.raises(UsageError) as caught:
        choose.require_confinement(VenvExecutor(supply, run="test"))
    assert caught.value.exit_code is ExitCode.USAGE
    assert "--trust-model" in caught.value.fix
    choose.require_confinement(FakeExecutor(name="docker"))
