from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ConfigError, InfrastructureError
from tfmatrix.envs.lock import Lock
from tfmatrix.envs.provision import EnvironmentCache
from tfmatrix.envs.uv import Network, Uv
from tfmatrix.executors import supply as supplies
from tfmatrix.executors.images import Base
from tfmatrix.executors.supply import EnvironmentSupply

BASE = Base(
    kind="python-image",
    image="sha256:1",
    reference="python:3.11-slim",
    digest="sha256:d1",
    note="image python:3.11-slim, pulled",
    from_registry=True,
    platform="linux-x86_64",
)


@pytest.fixture
def supply(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("PIP_", "SSL_", "UV_")) or name.endswith("_BUNDLE")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    (tmp_path / "ca.pem").touch()
    cache = EnvironmentCache(root=tmp_path / "cache")
    uv = Uv(cache=cache.downloads, network=Network(offline=True), executable=tmp_path / "bin" / "uv")
    return EnvironmentSupply(locks=tmp_path / "locks", cache=cache, uv=uv, say=lambda line: None)


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "locks" / "2.15.1.txt"
    path.parent.mkdir()
    path.write_text("# entry: {}\nkeras==2.15.0 \\\n")
    return Lock(
        environment_id="2.15.1",
        path=path,
        digest="ab" * 32,
        python="3.11",
        packages={"keras": "2.15.0", "tensorflow-cpu": "2.15.1"},
        tensorflow="2.15.1",
        keras="2.15.0",
        distribution="tensorflow-cpu",
        platform="linux-x86_64",
        exclude_newer="",
    )


def builder(done, config="version_info = 3.11.9\n"):
    """What a container would leave: the commands are kept in `done`, the folder gets a pyvenv.cfg."""

    def run(work):
        done.append(work)
        folder = Path(work.commands[0][-1])
        (folder / "pyvenv.cfg").write_text(config)

    return run


def test_an_environment_is_built_in_an_image_once(supply, lock, tmp_path):
    done = []
    made = supply.in_image(lock, BASE, builder(done))
    again = supply.in_image(lock, BASE, builder(done))
    assert made == again
    assert len(done) == 1
    assert made.python_version == "3.11.9"
    assert made.python == made.folder / "bin" / "python"
    assert made.folder.parent == tmp_path / "cache" / "envs"
    (work,) = done
    assert [command[0] for command in work.commands] == [str(tmp_path / "bin" / "uv")] * 2
    assert "python3" in work.commands[0], "the image's interpreter, not the host's"
    assert "--require-hashes" in work.commands[1]
    assert work.writable == [tmp_path / "cache"], "cache and environments under one mount, or no hard links"
    assert work.readonly == [tmp_path / "bin" / "uv", lock.path, tmp_path / "ca.pem"]
    assert work.variables["SSL_CERT_FILE"] == str(tmp_path / "ca.pem")
    assert work.variables["UV_OFFLINE"] == "1"


def test_another_image_is_another_environment(supply, lock):
    done = []
    first = supply.in_image(lock, BASE, builder(done))
    second = supply.in_image(lock, replace(BASE, digest="sha256:d2"), builder(done))
    assert first.folder != second.folder


def test_a_build_that_fails_leaves_nothing(supply, lock, tmp_path):
    def run(work):
        raise InfrastructureError("no network")

    with pytest.raises(InfrastructureError, match="no network"):
        supply.in_image(lock, BASE, run)
    assert list((tmp_path / "cache" / "envs").iterdir()) == []


def test_a_lock_of_another_platform_is_refused(supply, lock):
    with pytest.raises(ConfigError, match=r"the image python:3\.11-slim is linux-aarch64") as caught:
        supply.in_image(lock, replace(BASE, platform="linux-aarch64"), builder([]))
    assert "tfmatrix lock 2.15.1" in caught.value.fix


@pytest.mark.parametrize(
    ("config", "version"),
    [("version = 3.8.18\n", "3.8.18"), ("home = /3.1.1\nversion_info = 3.12.0.final.0\n", "3.12.0")],
)
def test_the_python_of_an_image_is_read_from_its_environment(supply, lock, config, version):
    assert supply.in_image(lock, BASE, builder([], config)).python_version == version


def test_an_environment_that_does_not_name_its_python_is_broken(supply, lock):
    with pytest.raises(InfrastructureError, match=r"pyvenv\.cfg does not say"):
        supply.in_image(lock, BASE, builder([], "home = /usr\n"))


def test_a_lock_made_for_this_run_is_pinned_to_its_image(supply, lock, monkeypatch):
    monkeypatch.setattr(supplies, "read_lock", lambda folder, environment: None)
    monkeypatch.setattr(supplies, "ensure_lock", lambda folder, environment, uv, *, progress: lock)
    made = supply.lock(Environment(id="2.15.1", tensorflow="2.15.1", python="3.11"))
    assert supply.pin(made, replace(BASE, from_registry=False)) is made, "a local image has no digest that others know"
    pinned = supply.pin(made, BASE)
    assert pinned.base_image == "python:3.11-slim@sha256:d1"
    assert "# base-image: python:3.11-slim@sha256:d1\n" in lock.path.read_text()
    assert supply.pin(pinned, replace(BASE, digest="sha256:d2")) is pinned


def test_a_committed_lock_is_not_rewritten(supply, lock, monkeypatch):
    monkeypatch.setattr(supplies, "read_lock", lambda folder, environment: lock)
    monkeypatch.setattr(supplies, "ensure_lock", lambda folder, environment, uv, *, progress: lock)
    before = lock.path.read_text()
    known = supply.lock(Environment(id="2.15.1", tensorflow="2.15.1", python="3.11"))
    assert supply.pin(known, BASE) is lock
    assert lock.path.read_text() == before


def test_the_cache_is_the_root(supply, tmp_path):
    assert supply.root == tmp_path / "cache"
