"""Executor `venv`: workers are processes of the host, with the same locks and code as in containers.

They are apart from tfmatrix (own session, clean variables) but not confined: network and files are open.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.executors.base import WORKER_FOLDER, Mounts, Prepared, prepared_key
from tfmatrix.executors.channel import LogTail
from tfmatrix.executors.images import host_identity
from tfmatrix.executors.opening import Opening
from tfmatrix.executors.process import PathMap, Worker, start_worker, worker_arguments, worker_variables
from tfmatrix.executors.supply import Supply, describe
from tfmatrix.worker.landlock import abi

WORKER_VARIABLE = "TFMATRIX_WORKER"
RUN_VARIABLE = "TFMATRIX_RUN"
"""Set in every worker and inherited by all it starts: its processes are found again, whatever their session."""

_PATH = "/usr/local/bin:/usr/bin:/bin"
_SLICE_SECONDS = 0.5
_TRY_SECONDS = 20.0


class PipeTransport:
    """A process behind three pipes. `marker` (variable, value) in its environment finds its descendants."""

    def __init__(
        self, command: Sequence[str], *, cwd: Path, variables: Mapping[str, str], marker: tuple[str, str]
    ) -> None:
        self.log = LogTail()
        self._marker = marker
        self._killed = False
        self._gone = False
        self._ending = Lock()
        self._using = Lock()
        self._process = subprocess.Popen(
            list(command),
            cwd=cwd,
            env={**variables, marker[0]: marker[1]},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            # Not PR_SET_PDEATHSIG: it acts when the thread that started the process ends, not the program.
            # A worker whose tfmatrix died sees the end of its standard input.
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._stdin, self._stdout, self._stderr = (
            self._process.stdin,
            self._process.stdout,
            self._process.stderr,
        )
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def read(self, timeout: float) -> bytes:
        """See Transport. Standard error is collected along the way."""
        deadline = time.monotonic() + timeout
        with self._using:
            while self._selector.get_map():
                # Seen before waiting: all that the process wrote is then in the pipe.
                ended = self._process.poll() is not None
                left = deadline - time.monotonic()
                ready = self._selector.select(0.0 if ended else max(0.0, min(left, _SLICE_SECONDS)))
                for key, _ in ready:
                    data = os.read(key.fd, 1 << 20)
                    if key.fileobj is self._stdout:
                        if data:
                            return data
                        self._drain()
                        return b""
                    if data:
                        self.log.append(data)
                    else:
                        self._selector.unregister(self._stderr)
                if not ready and ended:
                    # A grandchild may hold the pipe open for ever.
                    return b""
                if not ready and left <= 0:
                    raise TimeoutError
            return b""

    def write(self, data: bytes, timeout: float) -> None:
        """See Transport."""
        deadline = time.monotonic() + timeout
        view = memoryview(data)
        with self._using, selectors.DefaultSelector() as selector:
            if self._stdin.closed:
                raise BrokenPipeError
            selector.register(self._stdin, selectors.EVENT_WRITE)
            while view:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
                view = view[os.write(self._stdin.fileno(), view) :]

    def fate(self) -> str:
        """See Transport."""
        if self._killed:
            return "it was killed by tfmatrix"
        try:
            code = self._process.wait(_SLICE_SECONDS)
        except subprocess.TimeoutExpired:
            return "it closed its output"
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def kill(self) -> None:
        """See Transport."""
        with self._ending:
            if self._gone:
                return
            if self._process.poll() is None:
                self._killed = True
                # Only while it lives: the number of a process that was waited for may already be another's.
                os.killpg(self._process.pid, signal.SIGKILL)
            kill_marked(self._marker)
            self._process.wait()
            # A reader sees the end of the output first: closing under its hands would read another's file.
            with self._using:
                self._selector.close()
                for pipe in (self._stdin, self._stdout, self._stderr):
                    pipe.close()
            self._gone = True

    def _drain(self) -> None:
        """Reads what is left of standard error: the last words explain the end."""
        deadline = time.monotonic() + _SLICE_SECONDS
        while time.monotonic() < deadline:
            try:
                data = os.read(self._stderr.fileno(), 1 << 20)
            except BlockingIOError:
                if self._process.poll() is not None:
                    return
                time.sleep(0.01)
                continue
            if not data:
                return
            self.log.append(data)


def kill_marked(marker: tuple[str, str]) -> None:
    """Kills every process that carries the marker, until none is left: one may fork meanwhile."""
    deadline = time.monotonic() + 5.0
    empty = 0
    # Twice: a process that is just starting a program has no variables for a moment.
    while empty < 2 and time.monotonic() < deadline:
        found = list(marked_processes(marker))
        for pid in found:
            # It may have ended by itself.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        empty = 0 if found else empty + 1
        time.sleep(0.01)


def marked_processes(marker: tuple[str, str]) -> Iterator[int]:
    """The living processes, children at any depth, that carry the marker. Empty where there is no /proc."""
    wanted = f"{marker[0]}={marker[1]}".encode()
    for entry in Path("/proc").glob("[0-9]*") if sys.platform.startswith("linux") else ():
        try:
            variables = (entry / "environ").read_bytes()
        except OSError:
            continue  # gone, or another user's
        if wanted in variables.split(b"\0"):
            yield int(entry.name)


@cache
def process_namespace() -> tuple[str, ...]:
    """The command that starts a worker as the first process of a namespace of its own; empty where that cannot be.

    Whatever its jobs start is then ended by the kernel. Needs util-linux' `unshare`, and a kernel that gives namespaces
    to this user (not every distribution does).
    """
    program = shutil.which("unshare", path=_PATH)
    if program is None or not sys.platform.startswith("linux"):
        return ()
    own = [] if os.getuid() == 0 else ["--user", "--map-current-user"]
    command = (program, *own, "--pid", "--fork", "--kill-child", "--mount-proc", "--ipc")
    tried = [*command, sys.executable, "-c", "import os; assert os.getpid() == 1; open('/proc/1/stat').read()"]
    done = subprocess.run(tried, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TRY_SECONDS, check=False)
    return command if done.returncode == 0 else ()


NAME = "venv"
ORDER = 20


class VenvExecutor:
    """Starts workers as processes of this host, all with the marker of one run."""

    name = NAME
    confines = False

    @property
    def isolation(self) -> str:
        """See Executor."""
        ends = "and ends with all that it started" if process_namespace() else "and its descendants are looked for"
        held = f"each job has its own home, {ends}; network and files of this user are open: run only what you trust"
        return f"{held}; what loads a model file reaches no other file and no TCP (Landlock)" if abi() else held

    def __init__(self, supply: Supply, *, run: str, worker: Path = WORKER_FOLDER) -> None:
        self._supply = supply
        self._run = run
        self._worker = worker.resolve()

    def prepare(self, environment: Environment) -> Prepared:
        """See Executor."""
        if environment.image:
            raise InfrastructureError(
                f"environment {environment.id} is the image {environment.image}, which needs executor docker",
                fix="start a Docker engine, or leave the environment out",
            )
        lock = self._supply.lock(environment)
        provided = self._supply.on_host(lock)
        host = host_identity()
        base = {"kind": "host", "reference": host["system"], "note": f"this host, {host['system']}"}
        return Prepared(
            environment=environment,
            lock=lock,
            key=prepared_key(
                lock=lock.digest,
                base={"kind": "host", **host},
                python=provided.python_version,
                variables=environment.env,
            ),
            describe=describe(environment, {**base, "digest": ""}, lock, provided.python_version),
            python=str(provided.python),
            python_version=provided.python_version,
            packages=lock.packages,
            tensorflow=lock.tensorflow,
            keras=lock.keras,
        )

    def start(self, prepared: Prepared, mounts: Mounts, *, start_method: str = "fork") -> Worker:
        """See Executor."""
        work = mounts.work.resolve()
        tmp = work / "tmp"
        tmp.mkdir(parents=True, exist_ok=True)
        if not Path(prepared.python).exists():
            raise _no_python(prepared, os.strerror(errno.ENOENT))
        command = [*process_namespace(), prepared.python]
        command += worker_arguments(str(self._worker / "server.py"), work=str(work), start_method=start_method)
        variables = {
            "PATH": _PATH,
            **worker_variables(prepared.environment, home=str(work), tmp=str(tmp)),
            RUN_VARIABLE: self._run,
        }
        try:
            transport = PipeTransport(
                command, cwd=work, variables=variables, marker=(WORKER_VARIABLE, uuid.uuid4().hex)
            )
        except OSError as error:
            raise _no_python(prepared, error.strerror) from error
        return start_worker(transport, prepared=prepared, paths=PathMap.unchanged(mounts))

    def sweep(self) -> None:
        """See Executor."""
        kill_marked((RUN_VARIABLE, self._run))


def open_executor(opening: Opening) -> tuple[VenvExecutor, str]:
    """Wherever Linux or macOS is. See `registry`."""
    why = ", as asked for" if opening.asked else f": {opening.instead}" if opening.instead else ""
    return VenvExecutor(opening.supply, run=opening.run), f"local environments{why}"


def _no_python(prepared: Prepared, why: str | None) -> InfrastructureError:
    return InfrastructureError(
        f"cannot start the Python of {prepared.environment.id}: {prepared.python}: {why}",
        fix=f"rebuild the environment with `tfmatrix env build {prepared.environment.id}`",
    )
