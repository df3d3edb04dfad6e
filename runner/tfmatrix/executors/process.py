"""A worker behind a transport: requests and events, the probe of a fresh one, the paths it sees, its end."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any, TypeVar

from packaging.version import InvalidVersion, Version

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.executors.base import Mounts, Prepared, WorkerLostError
from tfmatrix.executors.channel import Channel, Transport
from tfmatrix.worker import protocol

_T = TypeVar("_T")

START_SECONDS = 300.0
"""How long a worker may take to say hello: an import of TensorFlow from a cold disk, on a busy machine."""

BYE_SECONDS = 5.0
_LAST_EVENTS = {"ended", "hello", "unsupported", "refused", "bye"}
"""Events that complete a request."""


@dataclass(frozen=True, kw_only=True)
class PathMap:
    """Host folders and where the worker sees them; `work` is the one that it writes to."""

    folders: Mapping[Path, PurePosixPath]
    work: Path

    @classmethod
    def unchanged(cls, mounts: Mounts) -> PathMap:
        """The map of a worker that shares the host's file system."""
        folders = (mounts.scenarios, mounts.store, mounts.work)
        unchanged = {folder.resolve(): PurePosixPath(folder.resolve()) for folder in folders}
        return cls(folders=unchanged, work=mounts.work.resolve())

    def to_worker(self, path: Path) -> str:
        """The path as the worker sees it, by the innermost folder that holds it. Raises ValueError."""
        # A mounted folder is resolved, what lies in it is not: a link inside must reach the worker as a link.
        absolute = Path(os.path.normpath(path.absolute()))
        resolved = absolute.parent.resolve() / absolute.name
        for folder in sorted(self.folders, key=lambda one: len(one.parts), reverse=True):
            for candidate in (absolute, resolved):
                if candidate.is_relative_to(folder):
                    return str(self.folders[folder] / candidate.relative_to(folder))
        known = ", ".join(str(folder) for folder in self.folders)
        raise ValueError(f"{path} is in none of the worker's folders: {known}")


class Worker:
    """A WorkerProcess over a transport. Made by `start_worker`, which also probes it."""

    def __init__(self, transport: Transport, *, name: str, paths: PathMap) -> None:
        self._transport = transport
        self._channel = Channel(transport, name=name)
        self._paths = paths
        self._next_id = 1
        self._waiting: set[int] = set()
        self._lost: WorkerLostError | None = None
        self._closed = Lock()
        self.name = name
        self.hello: Mapping[str, Any] = {}

    @property
    def log_tail(self) -> str:
        """The last lines of the worker's standard error."""
        return self._transport.log.text()

    def send(self, message: Mapping[str, Any]) -> int:
        """See WorkerProcess."""
        request = {"schema": protocol.SCHEMA, "id": self._next_id, **message}
        self._next_id = max(self._next_id, int(request["id"])) + 1
        self._guard(lambda: self._channel.send(request))
        self._waiting.add(int(request["id"]))
        return int(request["id"])

    def receive(self, timeout: float) -> dict[str, Any]:
        """See WorkerProcess."""
        event = self._guard(lambda: self._channel.receive(timeout))
        if event.get("event") in _LAST_EVENTS:
            self._waiting.discard(event.get("id", 0))
        return event

    def to_worker(self, path: Path) -> str:
        """See WorkerProcess."""
        return self._paths.to_worker(path)

    @property
    def work(self) -> Path:
        """See WorkerProcess."""
        return self._paths.work

    def kill(self) -> None:
        """See WorkerProcess."""
        self._transport.kill()

    def close(self) -> None:
        """See WorkerProcess."""
        if self._lost is None and not self._waiting and self._closed.acquire(blocking=False):
            try:
                self.send({"kind": "stop"})
                self.receive(BYE_SECONDS)
            except (WorkerLostError, TimeoutError):
                pass  # it is being ended: that it is gone already, or hangs, changes nothing
        self.kill()

    def _guard(self, action: Callable[[], _T]) -> _T:
        """Runs the action. A worker that was lost once is killed and stays lost, with the first error."""
        if self._lost is not None:
            raise self._lost
        try:
            return action()
        except WorkerLostError as error:
            self._lost = error
            self._transport.kill()
            raise


def start_worker(transport: Transport, *, prepared: Prepared, paths: PathMap, timeout: float = START_SECONDS) -> Worker:
    """A probed worker over a transport that was just started.

    It must say hello with the Python and the packages of its lock, and must refuse a nonsense request: one that
    accepts everything would pass every cell. Raises InfrastructureError; the worker is then gone.
    """
    worker = Worker(transport, name=prepared.environment.id, paths=paths)
    try:
        probe(worker, prepared, timeout)
    except BaseException:
        worker.kill()
        raise
    return worker


def probe(worker: Worker, prepared: Prepared, timeout: float) -> None:
    """Asks a fresh worker for its hello and a nonsense request. Raises InfrastructureError."""
    try:
        hello = _ask(worker, "hello", timeout)
    except WorkerLostError as error:
        if "SIGILL" in error.what:
            raise _illegal_instruction(worker.name, error) from error
        raise
    if hello.get("event") != "hello":
        raise InfrastructureError(
            f"the worker of {worker.name} does not say hello: {_short(hello)}",
            expected="the event hello, with its Python and packages",
        )
    failure = hello.get("error")
    if failure:
        message = f"{failure.get('type')}: {failure.get('message')}"
        raise InfrastructureError(
            f"environment {worker.name} cannot be used, its TensorFlow does not import: {message}",
            fix=f"rebuild it with `tfmatrix env build {worker.name}`, or renew its lock",
        )
    differences = _differences(hello, prepared)
    if differences:
        raise InfrastructureError(
            f"the worker of {worker.name} does not run what its lock says: {'; '.join(differences)}",
            expected=f"Python {prepared.python_version or 'of the image'} and the packages of the lock",
            fix=f"rebuild the environment with `tfmatrix env build {worker.name}`",
        )
    answer = _ask(worker, protocol.NONSENSE, timeout)
    if answer.get("event") != "unsupported" or answer.get("kind") != protocol.NONSENSE:
        raise InfrastructureError(
            f"the worker of {worker.name} did not refuse a nonsense request: {_short(answer)}",
            expected="the event unsupported: a worker that accepts everything would pass every cell",
        )
    worker.hello = hello


def _illegal_instruction(name: str, error: WorkerLostError) -> WorkerLostError:
    """A wheel of TensorFlow on a CPU that it is not compiled for: the import dies, and says nothing."""
    flags = _cpu_flags()
    has = "" if flags is None else f"; this CPU {'has' if 'avx' in flags else 'does not have'} AVX"
    return WorkerLostError(
        f"environment {name} cannot be used, the import of its TensorFlow dies by an illegal instruction: "
        f"{error.what}{has}",
        log_tail=error.log_tail,
        expected="a CPU with the instructions that TensorFlow's wheels are compiled for: AVX, from 1.6 on",
        fix="run it on another machine (or let the virtual machine pass the host's CPU on), or leave it out",
    )


def _cpu_flags() -> frozenset[str] | None:
    """What this CPU can do, in Linux' names; None where the system does not say."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    lines = [line.partition(":")[2].split() for line in text.splitlines() if line.startswith("flags")]
    return frozenset(lines[0]) if lines else None


def worker_variables(environment: Environment, *, home: str, tmp: str) -> dict[str, str]:
    """The environment variables of a worker: nothing of the host's but what every worker needs.

    Python is not started with -I, which would make it ignore the hash seed; with none of the host's PYTHON*
    variables, and without the user's site-packages (-s), a worker is as isolated.
    """
    return {
        "HOME": home,
        "TMPDIR": tmp,
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "-1",
        **environment.env,
    }


def worker_arguments(server: str, *, work: str, start_method: str) -> Sequence[str]:
    """The arguments of the interpreter that make it a worker."""
    return ("-s", server, "--work", work, "--start-method", start_method)


def _ask(worker: Worker, kind: str, timeout: float) -> dict[str, Any]:
    try:
        worker.send({"kind": kind})
        return worker.receive(timeout)
    except TimeoutError as error:
        raise WorkerLostError(
            f"the worker of {worker.name} did not answer {kind!r} within {timeout:g} s",
            log_tail=worker.log_tail,
        ) from error


def _differences(hello: Mapping[str, Any], prepared: Prepared) -> list[str]:
    """What the worker runs and its lock does not say, as phrases."""
    found = []
    python = str(hello.get("python", ""))
    expected = prepared.python_version.split(".")
    if prepared.python_version and python.split(".")[: len(expected)] != expected:
        found.append(f"Python {python} instead of {prepared.python_version}")
    packages = hello.get("packages") or {}
    for name, version in sorted(prepared.packages.items()):
        present = packages.get(name)
        if present is None:
            found.append(f"{name} {version} is missing")
        elif not _same_version(str(present), version):
            found.append(f"{name} {present} instead of {version}")
    return found


def _same_version(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _short(message: Mapping[str, Any]) -> str:
    text = repr(dict(message))
    return text if len(text) <= 300 else text[:300] + "…"
