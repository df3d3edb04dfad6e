from __future__ import annotations

import io
import platform
import sys
import tarfile
import time
from pathlib import Path

import docker.errors
import pytest
import requests
from tfmatrix.core.environment import Environment
from tfmatrix.executors.engine import Engine
from tfmatrix.executors.images import (
    BaseImages,
    BaseUnavailableError,
    ImageSettings,
    host_identity,
    interpreter_mounts,
    pull_progress,
    split_reference,
    userland_mounts,
    userland_tar,
)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the host's userland serves on Linux only")


def api_error(status, words):
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError("failed", response=response, explanation=words)


class Client:
    """An engine's images and its registry. `registry` maps a reference to a digest, or is what asking it raises."""

    def __init__(self, local=(), registry=None, pull_error=None):
        self.local = {reference: f"sha256:{reference}" for reference in local}
        self.registry = registry if registry is not None else {}
        self.pull_error = pull_error
        self.asked, self.pulled, self.imported = [], [], []

    def inspect_image(self, reference):
        if reference not in self.local:
            raise docker.errors.ImageNotFound("404")
        digest = self.registry.get(reference) if isinstance(self.registry, dict) else None
        repository = reference.partition(":")[0]
        return {
            "Id": self.local[reference],
            "Os": "linux",
            "Architecture": "amd64",
            "RepoDigests": [f"{repository}@{digest}"] if digest else [],
        }

    def inspect_distribution(self, reference):
        self.asked.append(reference)
        if isinstance(self.registry, Exception):
            raise self.registry
        if reference not in self.registry:
            raise api_error(404, "manifest unknown")

    def pull(self, repository, *, tag, stream, decode):
        reference = f"{repository}@{tag}" if tag.startswith("sha256:") else f"{repository}:{tag}"
        self.pulled.append(reference)
        if self.pull_error:
            yield {"error": self.pull_error}
            return
        yield {"id": "a", "status": "Pulling fs layer"}
        self.local[reference] = f"sha256:{reference}"

    def import_image_from_data(self, data, *, repository, tag, changes):
        self.imported.append((repository, tag, changes))
        self.local[f"{repository}:{tag}"] = "sha256:userland"


def images(client, *, os_type="linux", architecture=None, **settings):
    engine = Engine(
        client=client,
        version="24",
        os_type=os_type,
        architecture=architecture or platform.machine(),
        cpus=2,
        rootless=False,
    )
    object.__setattr__(engine, "quick_client", lambda seconds: client)
    said = []
    made = BaseImages(engine, ImageSettings(**settings), said.append)
    made.said = said
    return made


SILENT = api_error(500, "dial tcp: lookup registry.example: no such host")
PLAIN = Environment(id="2.15.1", tensorflow="2.15.1", python="3.11")
OWN = Environment(id="official", image="tensorflow/tensorflow:2.15.0")
SLIM = "python:3.11-slim"


def test_an_environments_own_image_comes_first():
    client = Client(local=["tensorflow/tensorflow:2.15.0", SLIM])
    base = images(client).for_environment(OWN)
    assert (base.kind, base.reference) == ("image", "tensorflow/tensorflow:2.15.0")
    assert base.digest == "sha256:tensorflow/tensorflow:2.15.0", "without a registry's digest, the image's id"


def test_an_own_image_that_cannot_be_had_has_no_substitute():
    with pytest.raises(BaseUnavailableError, match="the default registry does not answer: no such host"):
        images(Client(local=[SLIM], registry=SILENT)).for_environment(OWN)


def test_a_local_python_image_is_taken_without_asking():
    client = Client(local=[SLIM], registry={SLIM: "sha256:d1"})
    base = images(client).for_environment(PLAIN)
    assert (base.kind, base.digest, base.note) == ("python-image", "sha256:d1", f"image {SLIM}, local")
    assert base.image == f"sha256:{SLIM}", "the tag may move while the run goes on"
    assert base.platform == "linux-x86_64"
    assert base.from_registry
    assert client.asked == client.pulled == []


def test_a_missing_python_image_is_pulled_and_said():
    client = Client(registry={SLIM: "sha256:d1"})
    found = images(client)
    assert found.for_environment(PLAIN).note == f"image {SLIM}, pulled"
    assert client.pulled == [SLIM]
    assert found.said[0] == f"pulling {SLIM}"


def test_always_pulls_again():
    client = Client(local=[SLIM], registry={SLIM: "sha256:d1"})
    images(client, pull="always").for_environment(PLAIN)
    assert client.pulled == [SLIM]


def test_always_falls_back_to_the_local_copy_and_says_so():
    base = images(Client(local=[SLIM], registry=SILENT), pull="always").for_environment(PLAIN)
    assert base.note.startswith(f"image {SLIM}, the local copy (the default registry does not answer: no such host)")


@pytest.mark.parametrize("settings", [{"pull": "never"}, {"offline": True}, {"offline": True, "pull": "always"}])
@linux
def test_no_registry_is_asked_when_none_may(settings):
    client = Client(registry={SLIM: "sha256:d1"})
    base = images(client, **settings).for_environment(PLAIN)
    assert base.kind == "host-userland"
    assert f"no local image {SLIM}, and none may be pulled" in base.note
    assert client.asked == client.pulled == []


@linux
def test_without_a_registry_the_hosts_userland_is_taken():
    client = Client(registry=SILENT)
    base = images(client).for_environment(PLAIN)
    assert base.kind == "host-userland"
    assert base.note.startswith(
        f"host userland of {host_identity()['system']} (the default registry does not answer: no such host)"
    )
    assert base.describe()["digest"].startswith("sha256:")
    assert [(repository, changes) for repository, _, changes in client.imported] == [
        ("tfmatrix/host-userland", ["LABEL tfmatrix=host-userland"])
    ]


@linux
def test_a_silent_registry_is_asked_once_per_run():
    client = Client(registry=SILENT)
    found = images(client)
    for python in ("3.8", "3.9", "3.11", "3.11"):
        found.for_environment(Environment(id=python, tensorflow="2.15.1", python=python))
    with pytest.raises(BaseUnavailableError):
        found.for_environment(OWN)
    assert client.asked == ["python:3.8-slim"]
    assert len(client.imported) == 1


@linux
@pytest.mark.parametrize(
    "problem", [requests.exceptions.ReadTimeout("read timeout"), requests.exceptions.ConnectionError("refused")]
)
def test_a_registry_that_hangs_is_given_up(problem):
    assert "the default registry does not answer: " in images(Client(registry=problem)).for_environment(PLAIN).note


@linux
def test_a_registry_that_lacks_the_image_is_still_asked_for_others():
    client = Client(registry={"python:3.9-slim": "sha256:d"}, pull_error="manifest for python:3.4-slim not found")
    found = images(client)
    base = found.for_environment(Environment(id="old", tensorflow="1", python="3.4"))
    assert base.kind == "host-userland"
    assert "cannot pull python:3.4-slim: manifest for" in base.note
    client.pull_error = None
    assert found.for_environment(Environment(id="x", tensorflow="2", python="3.9")).kind == "python-image"


def test_the_template_and_a_pinned_digest_name_the_image():
    pinned = "mirror.example:5000/py@sha256:abc"
    client = Client(local=[pinned])
    found = images(client, template="mirror.example:5000/py:{python}")
    assert found.for_environment(PLAIN, pinned="sha256:abc").reference == pinned


@linux
def test_a_pinned_image_that_cannot_be_had_does_not_stop_a_run():
    client = Client(local=[SLIM], registry=SILENT)
    base = images(client).for_environment(PLAIN, pinned="sha256:abc")
    assert base.kind == "host-userland", "another python:3.11-slim than the pinned one is not taken for it"


def test_the_userland_may_be_forbidden():
    with pytest.raises(BaseUnavailableError):
        images(Client(registry=SILENT), host_userland="never").for_environment(PLAIN)


@linux
def test_the_userland_may_be_preferred():
    base = images(Client(local=[SLIM]), host_userland="always").for_environment(PLAIN)
    assert base.kind == "host-userland"


@linux
@pytest.mark.parametrize(("os_type", "architecture"), [("linux", "riscv64"), ("windows", None)])
def test_the_userland_does_not_run_in_a_foreign_engine(os_type, architecture):
    found = images(Client(registry=SILENT), os_type=os_type, architecture=architecture)
    with pytest.raises(BaseUnavailableError, match=r"does not answer.*; the engine runs"):
        found.for_environment(PLAIN)


def test_the_userland_serves_on_linux_only(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(BaseUnavailableError, match="on Linux only"):
        images(Client()).host_userland("because")


@linux
def test_an_imported_userland_is_used_again():
    client = Client()
    images(client).host_userland("because")
    images(client).host_userland("because")
    assert len(client.imported) == 1


# The contents


def fake_root(tmp_path, *, merged):
    for name in ("usr/bin", "usr/lib", "etc/alternatives"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc" / "ld.so.cache").touch()
    for name in ("bin", "lib", "lib64"):
        if merged:
            (tmp_path / name).symlink_to(f"usr/{name}")
        else:
            (tmp_path / name).mkdir()
    return tmp_path


def members(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {member.name: member for member in tar.getmembers()}


def test_links_are_made_as_on_a_merged_host(tmp_path):
    root = fake_root(tmp_path, merged=True)
    made = members(userland_tar(root))
    assert made["lib64"].issym()
    assert made["lib64"].linkname == "usr/lib64"
    assert "sbin" not in made
    assert made["tmp"].mode == 0o1777
    assert made["etc/passwd"].isreg()
    assert not any(name.startswith(("/", "usr/")) for name in made)
    assert userland_mounts(root) == (root / "usr", root / "etc/ld.so.cache", root / "etc/alternatives")


def test_folders_of_the_root_are_mounted_from_an_unmerged_host(tmp_path):
    root = fake_root(tmp_path, merged=False)
    assert members(userland_tar(root))["lib64"].isdir()
    assert {root / "bin", root / "lib", root / "lib64"} <= set(userland_mounts(root))


def test_the_same_host_gives_the_same_bytes(tmp_path):
    root = fake_root(tmp_path, merged=True)
    first = userland_tar(root)
    time.sleep(0.01)
    assert userland_tar(root) == first


def test_an_interpreter_is_mounted_by_each_of_its_names(tmp_path):
    real = tmp_path / "python" / "cpython-3.11.7"
    (real / "bin").mkdir(parents=True)
    (real / "bin" / "python3.11").touch()
    (real / "bin" / "python3").symlink_to("python3.11")
    (tmp_path / "python" / "cpython-3.11").symlink_to("cpython-3.11.7")
    alias = tmp_path / "python" / "cpython-3.11"
    assert interpreter_mounts(alias / "bin" / "python3") == (alias, real)
    assert interpreter_mounts(real / "bin" / "python3.11") == (real,)
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(alias / "bin" / "python3")
    assert interpreter_mounts(environment / "bin" / "python") == (environment, alias, real)


def test_an_interpreter_in_usr_needs_no_mount():
    assert interpreter_mounts(Path("/usr/local/bin/no-such-python3.99")) == ()


# References and progress


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("python", ("python", "latest")),
        ("python:3.11-slim", ("python", "3.11-slim")),
        ("mirror.example:5000/python", ("mirror.example:5000/python", "latest")),
        ("mirror.example:5000/python:3.11", ("mirror.example:5000/python", "3.11")),
        ("python@sha256:abc", ("python", "sha256:abc")),
    ],
)
def test_references_are_split(reference, parts):
    assert split_reference(reference) == parts


def test_progress_counts_layers_and_is_sparse():
    times = iter([0, 1, 11, 11, 12, 25, 25])
    events = [
        {"status": "Pulling from library/python", "id": "3.11-slim"},
        {"status": "Pulling fs layer", "id": "a"},
        {"status": "Pulling fs layer", "id": "b"},
        {"status": "Pull complete", "id": "a"},
    ]
    assert list(pull_progress(events, clock=lambda: next(times))) == ["0 of 1 layers", "1 of 2 layers"]


def test_a_failed_pull_is_an_error():
    with pytest.raises(docker.errors.APIError, match="toomanyrequests"):
        list(pull_progress([{"error": "toomanyrequests"}], clock=lambda: 0.0))
