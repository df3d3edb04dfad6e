"""The Docker engine: reach it or say why not, what it can do, and what tfmatrix has left in it."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import docker
import docker.errors
import requests
from docker import APIClient

from tfmatrix.core.errors import InfrastructureError
from tfmatrix.executors.base import UnavailableError

CONNECT_SECONDS = 5.0
CALL_SECONDS = 120

LABEL = "tfmatrix"
"""On every container (`worker`, `provision`, `probe`) and image (`host-userland`) that tfmatrix makes."""
RUN_LABEL = "tfmatrix.run"
OWNER_LABEL = "tfmatrix.owner"

NOBODY = 65534
ENGINE_ERRORS = (docker.errors.DockerException, requests.exceptions.RequestException)
"""All that the SDK raises when an engine refuses, fails or is gone."""


class EngineUnavailableError(UnavailableError):
    """No Docker engine can be used. `what` is one line that names why."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A Docker engine that answered."""

    client: APIClient
    version: str
    os_type: str
    architecture: str
    cpus: int
    rootless: bool
    remapped: bool = False
    """Whether root in its containers is another user of this host (`userns-remap`)."""

    def quick_client(self, seconds: float) -> APIClient:
        """A client of the same engine whose calls give up after some seconds."""
        return _client(seconds)

    def user(self) -> str:
        """The `uid:gid` that containers run as: the caller's, or nobody's when the caller is root.

        In a rootless engine, root in the container is the caller outside, and every other id is somebody who
        cannot write the caller's folders.
        """
        if self.rootless:
            return "0:0"
        if os.getuid() == 0:
            return f"{NOBODY}:{NOBODY}"
        return f"{os.getuid()}:{os.getgid()}"


def connect() -> Engine:
    """The engine of DOCKER_HOST or the default socket. Raises EngineUnavailableError."""
    address = os.environ.get("DOCKER_HOST") or "the default socket"
    try:
        info = _client(CONNECT_SECONDS).info()
        client = _client(CALL_SECONDS)
    except ENGINE_ERRORS as error:
        raise EngineUnavailableError(
            f"no Docker engine answers at {address} ({cause(error)})",
            fix="start Docker, or set DOCKER_HOST; or use executor `venv`",
        ) from error
    return Engine(
        client=client,
        version=str(info.get("ServerVersion", "")),
        os_type=str(info.get("OSType", "")),
        architecture=str(info.get("Architecture", "")),
        cpus=int(info.get("NCPU") or 1),
        rootless=any("name=rootless" in option for option in info.get("SecurityOptions") or ()),
        remapped=any("name=userns" in option for option in info.get("SecurityOptions") or ()),
    )


def cause(error: BaseException) -> str:
    """What an SDK error comes from, in one line: the engine's own words, or the operating system's."""
    if isinstance(error, docker.errors.APIError) and error.explanation:
        return " ".join(str(error.explanation).split())
    seen = error
    while (inner := seen.__cause__ or seen.__context__) is not None:
        seen = inner
    if isinstance(seen, OSError) and seen.strerror:
        return seen.strerror
    return " ".join(str(seen).split()) or type(seen).__name__


def labels(*, run: str, role: str) -> dict[str, str]:
    """The labels of a container: its role, its run, and the process that answers for it."""
    return {
        LABEL: role,
        RUN_LABEL: run,
        OWNER_LABEL: f"{_here()}/{os.getpid()}/{_start_time(os.getpid())}",
    }


def sweep(client: APIClient, *, run: str) -> list[str]:
    """Removes every container of a run, running or not. Returns their names. Raises InfrastructureError."""
    return _remove(client, {"label": f"{RUN_LABEL}={run}"}, keep_owned=False)


def sweep_all(client: APIClient, *, force: bool = False) -> list[str]:
    """Removes the containers that no living tfmatrix process answers for; all of tfmatrix's with `force`.

    Returns their names. Raises InfrastructureError.
    """
    return _remove(client, {"label": LABEL}, keep_owned=not force)


def remove_images(client: APIClient) -> list[str]:
    """Removes the images that tfmatrix made itself and that no container uses. Returns their names."""
    removed = []
    for image in client.images(filters={"label": LABEL}, all=True):
        name = next(iter(image.get("RepoTags") or ()), image["Id"])
        try:
            client.remove_image(image["Id"], force=True)
        except docker.errors.APIError as error:
            if error.status_code == 409:
                continue  # a container of a running tfmatrix uses it
            raise InfrastructureError(f"cannot remove image {name}: {cause(error)}") from error
        removed.append(name)
    return removed


def remove_container(client: APIClient, container: str) -> None:
    """Ends and removes a container; one that is already gone is well. Raises InfrastructureError."""
    try:
        client.remove_container(container, force=True, v=True)
    except docker.errors.NotFound:
        return
    except ENGINE_ERRORS as error:
        if isinstance(error, docker.errors.APIError) and error.status_code == 409:
            return  # "removal of container … is already in progress"
        raise InfrastructureError(f"cannot remove container {container[:12]}: {cause(error)}") from error


def _remove(client: APIClient, filters: Mapping[str, str], *, keep_owned: bool) -> list[str]:
    try:
        containers = client.containers(all=True, filters=dict(filters))
    except ENGINE_ERRORS as error:
        raise InfrastructureError(f"cannot list containers: {cause(error)}") from error
    removed = []
    for container in containers:
        if keep_owned and _owner_lives(container.get("Labels") or {}):
            continue
        remove_container(client, container["Id"])
        removed.append(_name(container.get("Names") or (), container["Id"]))
    return removed


def _name(names: Collection[str], container: str) -> str:
    return next(iter(names), container[:12]).lstrip("/")


def _owner_lives(container_labels: Mapping[str, Any]) -> bool:
    """Whether the process that made a container still runs. One of another place is taken to."""
    place, _, process = str(container_labels.get(OWNER_LABEL, "")).partition("/")
    pid, _, started = process.partition("/")
    if not pid.isdigit():
        return False
    if place != _here():
        return True
    return _start_time(int(pid)) == started


def _here() -> str:
    """Where ids of processes mean what they mean here: the machine, and the namespace of its processes.

    A tfmatrix in a container that has the engine's socket may share the machine's name and sees none of its processes.
    """
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""  # not Linux
    return f"{socket.gethostname()} {namespace}"


def _start_time(pid: int) -> str:
    """When a process was started, as text to compare: ids alone are reused. Empty for one that is gone."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        if stat.exists():
            return stat.read_text().rpartition(")")[2].split()[19]
        os.kill(pid, 0)
    except PermissionError:
        return "running"
    except (OSError, IndexError):
        return ""
    return "running"


def _client(seconds: float) -> APIClient:
    return docker.from_env(timeout=cast(int, seconds)).api
