"""The seam between the scheduler and whatever runs a worker: start a worker, send requests, receive events.

Fakes replace a whole executor behind these protocols: nothing above it needs a process in a test.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.envs.lock import Lock

WORKER_FOLDER = Path(__file__).resolve().parent.parent / "worker"
"""The worker's code: everything in it is stdlib-only and runs inside the environments."""

WORK_MOUNT = PurePosixPath("/tfmatrix/work")
STORE_MOUNT = PurePosixPath("/tfmatrix/store")
WORKER_MOUNT = PurePosixPath("/tfmatrix/worker")
SCENARIOS_MOUNT = PurePosixPath("/tfmatrix/scenarios")
"""Where a worker in a container sees its work folder, the store's folders, its own code and the scenarios; elsewhere it
sees the host's."""


class WorkerLostError(InfrastructureError):
    """A worker ended, or could not be understood, while something was expected of it.

    `log_tail` holds the last lines of its standard error, which are also part of the message.
    """

    def __init__(self, what: str, *, log_tail: str = "", expected: str = "", fix: str = "") -> None:
        super().__init__(what, expected=expected, fix=fix)
        self.log_tail = log_tail

    def __str__(self) -> str:
        if not self.log_tail:
            return super().__str__()
        log = "\n".join(f"    {line}" for line in self.log_tail.splitlines())
        return f"{super().__str__()}\n  last lines of its log:\n{log}"


class ProtocolError(WorkerLostError):
    """A worker sent something that is no message of the protocol. Nothing it says later can be trusted."""


class UnavailableError(InfrastructureError):
    """An executor cannot work here. `what` is one line that names why; `auto` takes the next one."""


@dataclass(frozen=True, kw_only=True)
class Mounts:
    """The host folders that a worker sees: `scenarios` and `store` to read, `work` to write, which is its alone.

    Under docker every job is a user of its own where everybody may read `scenarios` and `store`; else all jobs of a
    worker are the caller.
    """

    scenarios: Path
    store: Path
    work: Path


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An environment that is ready to start workers.

    `key` covers all that can change a result: the lock, the base it runs on, the environment's variables. It is
    part of every store key. `describe` goes into run.json as it is. `python` is the interpreter as the worker
    sees it; `packages` what the worker must report (names normalised). `lock` is None where an image brings
    everything. `image`, `folder` (the environment's, mounted where `python` says) and `readonly` (host folders mounted
    at the same path) matter to containers only.
    """

    environment: Environment
    lock: Lock | None
    key: str
    describe: Mapping[str, Any]
    python: str
    python_version: str
    packages: Mapping[str, str]
    tensorflow: str = ""
    keras: str = ""
    image: str = ""
    folder: Path | None = None
    readonly: tuple[Path, ...] = field(default=())


class WorkerProcess(Protocol):
    """One living worker of one environment. Not for use by several threads at once, except `kill`."""

    @property
    def hello(self) -> Mapping[str, Any]:
        """What the worker said of itself when it was started: Python, packages, start method."""

    @property
    def log_tail(self) -> str:
        """The last lines of the worker's standard error."""

    def send(self, message: Mapping[str, Any]) -> int:
        """Sends a request; `schema` and `id` are filled in where absent. Returns the id.

        Raises WorkerLostError.
        """

    def receive(self, timeout: float) -> dict[str, Any]:
        """The next event. Raises TimeoutError after `timeout` seconds, WorkerLostError when none can come."""

    @property
    def work(self) -> Path:
        """The folder that it alone writes to; every request has one of its own in there."""

    def to_worker(self, path: Path) -> str:
        """The path as the worker sees it. Raises ValueError for a path outside the worker's mounts."""

    def kill(self) -> None:
        """Ends the worker and everything it started, at once. Idempotent; any thread may call it."""

    def close(self) -> None:
        """Ends an idle worker politely, a busy one by kill. Idempotent."""


class Executor(Protocol):
    """Provides environments and starts workers in them."""

    @property
    def name(self) -> str:
        """`docker`, `venv` or `fake`."""

    @property
    def isolation(self) -> str:
        """What keeps jobs apart from this host and from each other, and what is not kept, in one line."""

    @property
    def confines(self) -> bool:
        """Whether a file that somebody sent may be loaded in it: a model is a program."""

    def prepare(self, environment: Environment) -> Prepared:
        """Locks and provides the environment. Raises ConfigError or InfrastructureError."""

    def start(self, prepared: Prepared, mounts: Mounts, *, start_method: str = "fork") -> WorkerProcess:
        """A worker that has said hello and has refused a nonsense request. Raises InfrastructureError."""

    def sweep(self) -> None:
        """Ends every worker of this run and removes what was made for it. Idempotent."""


def prepared_key(*, lock: str, base: Mapping[str, Any], python: str, variables: Mapping[str, str]) -> str:
    """The key of an environment: 64 hex digits over its lock's digest, base, Python and variables."""
    content = {"lock": lock, "base": dict(base), "python": python, "variables": dict(variables)}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
