from __future__ import annotations

import os
import socket

import docker.errors
import pytest
import requests.exceptions
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.executors import engine as engines
from tfmatrix.executors.engine import (
    OWNER_LABEL,
    RUN_LABEL,
    Engine,
    EngineUnavailableError,
    cause,
    connect,
    labels,
    remove_images,
    sweep,
    sweep_all,
)


class Client:
    """Containers and images of an engine, as its listing calls return them."""

    def __init__(self, *containers, images=(), refusal=None):
        self.listed = list(containers)
        self.listed_images = list(images)
        self.removed = []
        self.filters = None
        self.refusal = refusal

    def containers(self, *, all, filters):
        if self.refusal:
            raise self.refusal
        assert all, "containers that have ended are to be removed, too"
        self.filters = filters
        return self.listed

    def remove_container(self, container, *, force, v):
        self.removed.append(container)

    def images(self, *, filters, all):
        self.filters = filters
        return self.listed_images

    def remove_image(self, image, *, force):
        if image == "in use":
            raise docker.errors.APIError("conflict", response=response(409), explanation="in use")
        self.removed.append(image)


def response(status):
    made = requests.Response()
    made.status_code = status
    return made


def container(name, owner):
    return {"Id": name * 12, "Names": [f"/{name}"], "Labels": {OWNER_LABEL: owner}}


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("unix:///nonexistent", "no Docker engine answers at unix:///nonexistent (No such file or directory)"),
        ("tcp://127.0.0.1:1", "no Docker engine answers at tcp://127.0.0.1:1 (Connection refused)"),
        ("gopher://x", "no Docker engine answers at gopher://x ("),
    ],
)
def test_an_engine_that_does_not_answer_gives_one_line(monkeypatch, address, words):
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(EngineUnavailableError) as caught:
        connect()
    assert caught.value.what.startswith(words)
    assert "\n" not in caught.value.what
    assert "DOCKER_HOST" in caught.value.fix


def test_something_else_behind_the_socket_is_no_engine(monkeypatch, tmp_path):
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        with pytest.raises(EngineUnavailableError, match="Connection refused"):
            connect()


def test_a_silent_engine_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr(engines, "CONNECT_SECONDS", 0.2)
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        with pytest.raises(EngineUnavailableError, match="timed out"):
            connect()


def test_the_cause_is_the_engines_own_words_or_the_systems():
    assert cause(docker.errors.APIError("500", explanation="no such\n  host")) == "no such host"
    error = docker.errors.DockerException("long story")
    error.__cause__ = requests.exceptions.ConnectionError("longer")
    error.__cause__.__context__ = FileNotFoundError(2, "No such file or directory")
    assert cause(error) == "No such file or directory"
    assert cause(docker.errors.DockerException("just words")) == "just words"


@pytest.mark.parametrize(
    ("rootless", "uid", "expected"), [(False, 0, "65534:65534"), (False, 1000, "1000:100"), (True, 1000, "0:0")]
)
def test_containers_never_run_as_the_hosts_root(monkeypatch, rootless, uid, expected):
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setattr(os, "getgid", lambda: 100)
    engine = Engine(client=Client(), version="1", os_type="linux", architecture="x86_64", cpus=2, rootless=rootless)
    assert engine.user() == expected


def test_sweep_removes_what_carries_the_runs_label():
    mine = labels(run="r1", role="worker")
    client = Client({"Id": "a", "Names": ["/one"], "Labels": mine}, {"Id": "b" * 20, "Names": None, "Labels": mine})
    assert sweep(client, run="r1") == ["one", "b" * 12]
    assert client.removed == ["a", "b" * 20]
    assert client.filters == {"label": f"{RUN_LABEL}=r1"}


def test_a_sweep_that_cannot_list_says_so():
    client = Client(refusal=requests.exceptions.ConnectionError("engine is gone"))
    with pytest.raises(InfrastructureError, match="cannot list containers: engine is gone"):
        sweep(client, run="r1")


def test_clean_leaves_the_containers_of_living_processes():
    living = labels(run="r", role="worker")[OWNER_LABEL]
    here = living.partition("/")[0]
    assert here.startswith(socket.gethostname())
    client = Client(
        container("living", living),
        container("reused", f"{here}/{os.getpid()}/1"),
        container("gone", f"{here}/4194999/77"),
        container("elsewhere", "other-host/1/1"),
        # One name and other processes: that of a container which shares the machine's network.
        container("in another container", f"{socket.gethostname()} pid:[1]/4194999/77"),
        container("unknown", ""),
    )
    assert sweep_all(client) == ["reused", "gone", "unknown"]
    assert client.filters == {"label": "tfmatrix"}
    assert sweep_all(client, force=True) == [
        "living",
        "reused",
        "gone",
        "elsewhere",
        "in another container",
        "unknown",
    ]


def test_images_in_use_are_left():
    client = Client(
        images=[
            {"Id": "1", "RepoTags": ["tfmatrix/host-userland:a"]},
            {"Id": "in use", "RepoTags": ["tfmatrix/host-userland:b"]},
            {"Id": "3", "RepoTags": None},
        ]
    )
    assert remove_images(client) == ["tfmatrix/host-userland:a", "3"]
