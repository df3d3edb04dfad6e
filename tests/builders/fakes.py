"""Stand-ins for executors and workers: the real framing, probe and errors over a process that is a function.

    executor = FakeExecutor(job=lambda environment, job: {"status": "ok", ...})
    executor = FakeExecutor(job=..., broken={"2.15.1": InfrastructureError("no such wheel")})

A job may also raise `Ends("timeout")`, `Ends("crash", signal="SIGSEGV")`, `Dies("last words")` or `Hangs()`.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfmatrix.core.environment import Environment
from tfmatrix.executors.base import Mounts, Prepared, prepared_key
from tfmatrix.executors.channel import LogTail
from tfmatrix.executors.images import Base
from tfmatrix.executors.process import PathMap, Worker, start_worker
from tfmatrix.executors.supply import ContainerWork, Provided
from tfmatrix.worker import protocol

PYTHON = "3.11.7"

Answer = Iterable[Mapping[str, Any] | bytes]
"""Events (schema and id are filled in), or raw bytes for what a broken worker sends."""


class Ends(Exception):
    """The child of a request ends: `reason` and what else belongs in its `ended` event."""

    def __init__(self, reason: str, **details: Any) -> None:
        super().__init__(reason)
        self.event = {
            "event": "ended",
            "reason": reason,
            "detail": "",
            "signal": None,
            "exit_code": None,
            "output": "",
            **details,
        }


class Dies(Exception):
    """The worker itself is lost, with these last words on its standard error."""

    def __init__(self, words: str = "", code: int = 1) -> None:
        super().__init__(words)
        self.words = words
        self.code = code


class Hangs(Exception):
    """The worker says nothing more until it is killed. `receive` raises TimeoutError without waiting."""


def ok_job(environment: str, job: Mapping[str, Any]) -> dict[str, Any]:
    """The result of a job that has nothing to report."""
    return {
        "status": "ok",
        "phase": None,
        "reason": None,
        "error": None,
        "warnings": [],
        "seconds": {},
        "artifact": False,
        "observation": False,
    }


class FakeTransport:
    """A process that is a function from request to answer. Answers are made as they are read."""

    def __init__(self, answer: Callable[[dict[str, Any]], Answer]) -> None:
        self.log = LogTail()
        self.requests: list[dict[str, Any]] = []
        self.killed = False
        self.code: int | None = None
        self.hangs = False
        self._answer = answer
        self._pending: deque[Iterator[bytes]] = deque()
        self._changed = threading.Condition()

    def read(self, timeout: float) -> bytes:
        while True:
            if self.killed or self.code is not None:
                return b""
            if self.hangs or not self._pending:
                raise TimeoutError
            try:
                return next(self._pending[0])
            except StopIteration:
                self._pending.popleft()
            except Hangs:
                self.hangs = True
            except Dies as death:
                self.log.append(f"{death.words}\n".encode())
                self.code = death.code

    def write(self, data: bytes, timeout: float) -> None:
        if self.killed or self.code is not None:
            raise BrokenPipeError
        for line in data.splitlines():
            request = protocol.decode(line)
            self.requests.append(request)
            self._pending.append(self._bytes(request))

    def _bytes(self, request: dict[str, Any]) -> Iterator[bytes]:
        for event in self._answer(request):
            if isinstance(event, bytes):
                yield event
            else:
                yield protocol.encode({"schema": protocol.SCHEMA, "id": request["id"], **event})

    def fate(self) -> str:
        return "it was killed by tfmatrix" if self.killed else f"exit code {self.code}"

    def kill(self) -> None:
        self.killed = True


@dataclass(kw_only=True)
class FakeExecutor:
    """An executor whose workers are functions. Thread-safe as far as its jobs are.

    `job(environment id, job)` returns a result as in the protocol, or raises Ends, Dies or Hangs. `hello` overrides
    fields of the hello event; `answer(environment id, request)`, when it returns something, replaces the whole
    answer. `broken` maps environment ids to what `prepare` raises, `lost_at_start` to what `start` raises.
    """

    job: Callable[[str, dict[str, Any]], dict[str, Any]] = ok_job
    hello: Mapping[str, Any] = field(default_factory=dict)
    answer: Callable[[str, dict[str, Any]], Answer | None] = lambda environment, request: None
    broken: Mapping[str, Exception] = field(default_factory=dict)
    lost_at_start: Mapping[str, Exception] = field(default_factory=dict)
    packages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    name: str = "fake"
    isolation: str = "none: nothing runs"
    prepared: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    start_methods: list[str] = field(default_factory=list)
    transports: list[FakeTransport] = field(default_factory=list)
    swept: int = 0
    confines: bool = True

    def prepare(self, environment: Environment) -> Prepared:
        self.prepared.append(environment.id)
        if environment.id in self.broken:
            raise self.broken[environment.id]
        return fake_prepared(environment, self.packages.get(environment.id))

    def start(self, prepared: Prepared, mounts: Mounts, *, start_method: str = "fork") -> Worker:
        name = prepared.environment.id
        self.started.append(name)
        self.start_methods.append(start_method)
        if name in self.lost_at_start:
            raise self.lost_at_start[name]
        transport = FakeTransport(lambda request: self._answers(prepared, request))
        self.transports.append(transport)
        return start_worker(transport, prepared=prepared, paths=PathMap.unchanged(mounts), timeout=1.0)

    def sweep(self) -> None:
        self.swept += 1
        for transport in self.transports:
            transport.kill()

    @property
    def living(self) -> int:
        """Workers that were neither closed nor killed."""
        return sum(not transport.killed for transport in self.transports)

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """All jobs that were sent, in the order of the workers and their requests."""
        return [
            job for transport in self.transports for request in transport.requests for job in request.get("jobs", ())
        ]

    def _answers(self, prepared: Prepared, request: dict[str, Any]) -> Answer:
        special = self.answer(prepared.environment.id, request)
        if special is not None:
            yield from special
            return
        match request["kind"]:
            case "hello":
                yield {
                    "event": "hello",
                    "python": prepared.python_version,
                    "packages": dict(prepared.packages),
                    "error": None,
                    "tensorflow": prepared.tensorflow,
                    "keras": prepared.keras,
                    "start_method": "fork",
                    "start_reason": "",
                    **self.hello,
                }
            case "jobs":
                yield from self._run(prepared.environment.id, request)
            case "stop":
                yield {"event": "bye"}
            case kind:
                yield {"event": "unsupported", "kind": kind}

    def _run(self, environment: str, request: dict[str, Any]) -> Answer:
        completed = 0
        end = Ends("done", exit_code=0)
        for index, sent in enumerate(request["jobs"]):
            job = {**sent, "folder": f"{request['folder']}/{index}"}
            yield {"event": "started", "job": index}
            try:
                result = self.job(environment, job)
            except Ends as error:
                end = error
                break
            yield {"event": "result", "job": index, "result": json.loads(json.dumps(result))}
            completed += 1
            if result["status"] != "ok":
                end = Ends("stopped", exit_code=0)
                break
        yield {"seconds": 0.0, "peak_bytes": 0, **end.event, "completed": completed}


def fake_prepared(environment: Environment, packages: Mapping[str, str] | None = None) -> Prepared:
    """An environment as if it had been provided, with the packages that its id and entry suggest."""
    tensorflow = environment.tensorflow or "2.15.1"
    keras = environment.keras or tensorflow
    packages = packages or {"tensorflow": tensorflow, "keras": keras}
    base = {"kind": "fake", "digest": "sha256:0"}
    return Prepared(
        environment=environment,
        lock=None,
        key=prepared_key(lock=str(sorted(packages.items())), base=base, python=PYTHON, variables=environment.env),
        describe={"base": {**base, "reference": "fake", "note": "fake"}, "python": PYTHON, "packages": dict(packages)},
        python="python3",
        python_version=PYTHON,
        packages=packages,
        tensorflow=tensorflow,
        keras=keras,
    )


@dataclass(frozen=True, kw_only=True)
class FakeLock:
    """The fields of a lock that executors read."""

    packages: Mapping[str, str]
    python: str = "3.11"
    digest: str = "lock"
    base_image: str = ""

    @property
    def tensorflow(self) -> str:
        return self.packages.get("tensorflow", "")

    @property
    def keras(self) -> str:
        return self.packages.get("keras", "")


@dataclass(kw_only=True)
class FakeSupply:
    """Environments without packages: the interpreter of the host as it is, or an empty one made in an image."""

    root: Path
    python: Path
    python_version: str = PYTHON
    packages: Mapping[str, str] = field(default_factory=lambda: {"tensorflow": "2.15.1"})
    locked: list[str] = field(default_factory=list)

    def lock(self, environment: Environment) -> Any:
        self.locked.append(environment.id)
        return FakeLock(packages=self.packages, python=environment.python)

    def pin(self, lock: Any, base: Base) -> Any:
        return lock

    def on_host(self, lock: Any) -> Provided:
        return Provided(folder=self.python.parent.parent, python=self.python, python_version=self.python_version)

    def in_image(self, lock: Any, base: Base, run: Callable[[ContainerWork], None]) -> Provided:
        folder = self.root / "envs" / base.digest.removeprefix("sha256:")[:16]
        folder.mkdir(parents=True, exist_ok=True)
        run(
            ContainerWork(
                commands=[["python3", "-m", "venv", "--without-pip", str(folder)]],
                writable=[self.root],
                readonly=[],
                variables={},
            )
        )
        return Provided(folder=folder, python=folder / "bin" / "python", python_version=self.python_version)


def fake_mounts(folder: Path) -> Mounts:
    """Three folders of their own under `folder`."""
    mounts = Mounts(scenarios=folder / "scenarios", store=folder / "store", work=folder / "work")
    for path in (mounts.scenarios, mounts.store, mounts.work):
        path.mkdir(parents=True, exist_ok=True)
    return mounts
