"""Containers as processes: one is started with its streams attached, talked to, and removed with all it was."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import struct
import time
import uuid
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from docker import APIClient
from docker.types import Mount

from tfmatrix.core.errors import InfrastructureError
from tfmatrix.executors.base import ProtocolError
from tfmatrix.executors.channel import LogTail
from tfmatrix.executors.engine import ENGINE_ERRORS, cause, labels, remove_container

EXIT_SECONDS = 2.0
"""How long the engine may take to note the exit of a container whose streams have ended."""

_FRAME = struct.Struct(">BxxxL")
_STDOUT, _STDERR = 1, 2


class ContainerTransport:
    """A container behind one attached socket that carries its three streams.

    The socket must be attached before the container starts: the SDK may read beyond the HTTP headers, and what
    the container says by then would be lost.
    """

    def __init__(self, client: APIClient, container: str, stream: socket.socket) -> None:
        self.log = LogTail()
        self.container = container
        self._client = client
        self._stream = stream
        self._frames = bytearray()
        self._killed = False
        self._gone = False
        self._ending = Lock()
        self._using = Lock()

    def read(self, timeout: float) -> bytes:
        """See Transport. Standard error is collected along the way."""
        deadline = time.monotonic() + timeout
        with self._using:
            while True:
                output = self._take_output()
                if output:
                    return output
                # 0 would make the socket non-blocking, which says "try again" instead of "timed out".
                self._stream.settimeout(max(0.001, deadline - time.monotonic()))
                data = self._stream.recv(1 << 20)
                if not data:
                    return b""
                self._frames += data

    def _take_output(self) -> bytes:
        """Standard output from the complete frames at hand; standard error goes to the log."""
        output = b""
        while len(self._frames) >= _FRAME.size:
            kind, length = _FRAME.unpack_from(self._frames)
            if kind not in (_STDOUT, _STDERR) or any(self._frames[1:4]):
                raise ProtocolError(f"the engine sent no frame of a container: {bytes(self._frames[:40])!r}")
            end = _FRAME.size + length
            if len(self._frames) < end:
                break
            payload = bytes(self._frames[_FRAME.size : end])
            del self._frames[:end]
            if kind == _STDOUT:
                output += payload
            else:
                self.log.append(payload)
        return output

    def write(self, data: bytes, timeout: float) -> None:
        """See Transport."""
        with self._using:
            self._stream.settimeout(timeout)
            self._stream.sendall(data)

    def fate(self) -> str:
        """See Transport."""
        if self._killed:
            return "its container was removed by tfmatrix"
        try:
            # The stream may end a moment before the engine has noted the exit.
            deadline = time.monotonic() + EXIT_SECONDS
            state = self._client.inspect_container(self.container)["State"]
            while state.get("Running") and time.monotonic() < deadline:
                time.sleep(0.05)
                state = self._client.inspect_container(self.container)["State"]
        except ENGINE_ERRORS as error:
            return f"the engine does not know its container any more ({cause(error)})"
        if state.get("Running"):
            return "it closed its output"
        code = int(state.get("ExitCode", 0))
        fate = f"exit code {code}"
        if 128 < code < 128 + signal.NSIG:
            with contextlib.suppress(ValueError):
                fate += f" ({signal.Signals(code - 128).name})"
        if state.get("OOMKilled"):
            fate += ", its container ran out of memory"
        return f"{fate}, {state['Error']}" if state.get("Error") else fate

    def kill(self) -> None:
        """See Transport."""
        with self._ending:
            if self._gone:
                return
            self._killed = True
            remove_container(self._client, self.container)
            # A reader in another thread must be woken before the file is closed under its hands.
            with contextlib.suppress(OSError):
                self._stream.shutdown(socket.SHUT_RDWR)
            with self._using:
                self._stream.close()
            self._gone = True


def start_container(
    client: APIClient,
    image: str,
    command: Sequence[str],
    *,
    run: str,
    role: str,
    name: str,
    user: str,
    folder: str,
    variables: Mapping[str, str],
    mounts: Sequence[Mount],
    limits: Mapping[str, Any],
) -> ContainerTransport:
    """A running container with its three streams attached and the labels of a run.

    `name` is the environment's id, `folder` the working directory, `limits` the options of the SDK's
    `create_host_config`. Raises InfrastructureError; nothing is then left.
    """
    try:
        container = client.create_container(
            image,
            # An image's own entry point would get the command as its arguments.
            entrypoint=list(command[:1]),
            command=list(command[1:]),
            name=container_name(run, name),
            hostname=role,
            user=user,
            working_dir=folder,
            environment=dict(variables),
            labels=labels(run=run, role=role),
            # The engine closes standard input when we are gone: a worker then ends by itself.
            stdin_open=True,
            # The engine's own proxies are for containers that may use a network.
            use_config_proxy=limits.get("network_mode") != "none",
            host_config=client.create_host_config(**limits, mounts=list(mounts)),
        )["Id"]
    except ENGINE_ERRORS as error:
        raise InfrastructureError(f"cannot create a container for {name}: {cause(error)}") from error
    try:
        attached = client.attach_socket(container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        transport = ContainerTransport(client, container, getattr(attached, "_sock", attached))
        client.start(container)
    except BaseException as error:
        remove_container(client, container)
        if isinstance(error, ENGINE_ERRORS):
            raise InfrastructureError(f"cannot start a container for {name}: {cause(error)}") from error
        raise
    return transport


def read_only(folder: str, inside: str | None = None) -> Mount:
    """A bind mount that cannot be written; at the same path where no other is given."""
    return Mount(inside or folder, folder, "bind", read_only=True)


def writable(folder: str, inside: str | None = None) -> Mount:
    """A bind mount that can be written; at the same path where no other is given."""
    return Mount(inside or folder, folder, "bind", read_only=False)


def container_name(run: str, environment: str) -> str:
    """A unique name that `docker ps` shows: the run and the environment."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", f"tfmatrix-{run}-{environment}-{uuid.uuid4().hex[:8]}")
