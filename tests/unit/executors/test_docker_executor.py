from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import FakeLock, FakeSupply
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.executors import docker
from tfmatrix.executors.docker import DockerExecutor, Limits, build_limits
from tfmatrix.executors.engine import Engine
from tfmatrix.executors.images import Base, BaseUnavailableError
from tfmatrix.executors.supply import Provided

PLAIN = Environment(id="2.15.1", tensorflow="2.15.1", python="3.11")
IMAGE = Base(kind="python-image", image="sha256:1", reference="python:3.11-slim", digest="sha256:d1", note="local")
USERLAND = Base(kind="host-userland", image="tfmatrix/host-userland:1", reference="x", digest="sha256:h1", note="host")


class Images:
    def __init__(self, base):
        self.base = base
        self.pinned = None

    def for_environment(self, environment, *, pinned=""):
        self.pinned = pinned
        return self.base


class Supply(FakeSupply):
    pinned = None
    base_image = ""

    def lock(self, environment):
        return FakeLock(packages=self.packages, base_image=self.base_image)

    def pin(self, lock, base):
        self.pinned = base
        return replace(lock, base_image="pinned")

    def in_image(self, lock, base, run):
        return Provided(folder=Path("/cache/envs/1"), python=Path("/cache/envs/1/bin/python"), python_version="3.11.9")


@pytest.fixture
def make(tmp_path):
    def make(base):
        engine = Engine(client=None, version="24", os_type="linux", architecture="x86_64", cpus=2, rootless=False)
        supply = Supply(root=tmp_path, python=Path(sys.executable))
        images = Images(base)
        return DockerExecutor(engine, images, supply, run="r1", limits=Limits(), say=print), images, supply

    return make


def test_an_environment_of_an_image_is_all_in_its_folder(make):
    executor, _, supply = make(IMAGE)
    prepared = executor.prepare(PLAIN)
    assert prepared.image == "sha256:1"
    # Under the neutral root, wherever the cache lies: an image may close the folders above it.
    assert prepared.python == "/tfmatrix/environment/bin/python"
    assert (prepared.folder, prepared.readonly) == (Path("/cache/envs/1"), ())
    assert prepared.describe["python"] == "3.11.9"
    assert prepared.lock.base_image == "pinned"
    assert supply.pinned is IMAGE


def test_a_pinned_digest_is_asked_for(make):
    executor, images, supply = make(IMAGE)
    supply.base_image = "python:3.11-slim@sha256:d1"
    executor.prepare(PLAIN)
    assert images.pinned == "sha256:d1"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the host's userland serves on Linux only")
def test_an_environment_of_the_userland_needs_the_hosts_folders(make):
    executor, _, supply = make(USERLAND)
    prepared = executor.prepare(PLAIN)
    assert Path("/usr") in prepared.readonly
    assert prepared.python == "/tfmatrix/environment/bin/python"
    assert prepared.folder == Path(sys.executable).parent.parent
    assert supply.pinned is None


def test_the_key_covers_base_and_variables(make):
    keys = {make(base)[0].prepare(PLAIN).key for base in (IMAGE, replace(IMAGE, digest="sha256:d2"), USERLAND)}
    keys.add(make(IMAGE)[0].prepare(replace(PLAIN, env={"TF_USE_LEGACY_KERAS": "1"})).key)
    assert len(keys) == 4
    assert make(replace(IMAGE, note="another"))[0].prepare(PLAIN).key in keys, "why a base was taken changes nothing"


def run_to_end(monkeypatch, answer):
    calls = []

    def run(self, image, command, **options):
        calls.append({"command": command, **options})
        if isinstance(answer, Exception):
            raise answer
        return answer(options) if callable(answer) else answer

    monkeypatch.setattr(DockerExecutor, "_run_to_end", run)
    return calls


def reads(options, *, unseen=()):
    """What a container prints that sees the folders of its binds, but for some."""
    said = b""
    for bind, file in zip(options["binds"], ("server.py", "token", "token"), strict=False):
        folder = Path(bind["Source"])
        assert folder.stat().st_mode & 0o055 == 0o055, "the container is another user"
        said += b"" if any(folder.is_relative_to(each) for each in unseen) else (folder / file).read_bytes()
    return said, "exit code 0", ""


def test_the_check_reads_files_of_every_folder(monkeypatch, make, tmp_path):
    calls = run_to_end(monkeypatch, reads)
    executor = make(IMAGE)[0]
    executor._folders = (tmp_path / "results",)
    executor.check(IMAGE)
    assert calls[0]["limits"]["network_mode"] == "none"
    assert len(calls[0]["binds"]) == 3
    assert [path.name for path in tmp_path.rglob("*")] == ["results"], "nothing is left"


@pytest.mark.parametrize("name", ["cache", "results"])
def test_a_folder_that_the_engine_does_not_see_is_named(monkeypatch, make, tmp_path, name):
    executor, _, supply = make(IMAGE)
    supply.root = tmp_path / "cache"
    executor._folders = (tmp_path / "results",)
    run_to_end(monkeypatch, lambda options: reads(options, unseen=[tmp_path / name]))
    with pytest.raises(BaseUnavailableError) as caught:
        executor.check(IMAGE)
    assert caught.value.what == f"the engine does not see {tmp_path / name} of this machine"
    assert "at the paths that they have outside, or give --executor venv" in caught.value.fix


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((b"another file\n", "exit code 0", ""), "the engine does not see"),
        ((b"", "exit code 1", "warning\ncat: Permission denied\n"), "containers: cat: Permission denied"),
        (InfrastructureError("bind source path does not exist"), "containers: bind source path does not exist"),
    ],
)
def test_an_engine_that_sees_other_files_is_of_no_use(monkeypatch, make, answer, words):
    run_to_end(monkeypatch, answer)
    with pytest.raises(BaseUnavailableError) as caught:
        make(IMAGE)[0].check(USERLAND)
    assert words in caught.value.what


@pytest.mark.parametrize(
    ("variables", "network"),
    [
        ({}, "bridge"),
        ({"UV_DEFAULT_INDEX": "https://index.example/simple"}, "bridge"),
        ({"HTTPS_PROXY": "http://127.0.0.1:3128"}, "host"),
        ({"UV_DEFAULT_INDEX": "http://localhost:3141/root"}, "host"),
    ],
)
def test_an_index_on_this_host_is_reached_through_its_network(variables, network):
    limits = build_limits(variables)
    assert limits["network_mode"] == network
    assert limits["cap_drop"] == ["ALL"]
    assert limits["read_only"] is True


def test_commands_of_a_build_run_without_a_shell(tmp_path):
    commands = [[sys.executable, "-c", "print('one two')"], [sys.executable, "-c", "raise SystemExit(5)"], ["never"]]
    done = subprocess.run(
        [sys.executable, "-c", docker._RUN_ALL, json.dumps(commands)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "one two\n"
    assert done.returncode == 5
