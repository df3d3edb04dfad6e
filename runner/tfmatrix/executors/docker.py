"""Executor `docker`: each worker is a container without network or capabilities that writes only its work."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from docker.types import Ulimit

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.executors.base import (
    SCENARIOS_MOUNT,
    STORE_MOUNT,
    WORK_MOUNT,
    WORKER_FOLDER,
    WORKER_MOUNT,
    Mounts,
    Prepared,
    WorkerLostError,
    prepared_key,
)
from tfmatrix.executors.containers import ContainerTransport, read_only, start_container, writable
from tfmatrix.executors.engine import Engine, connect, sweep, sweep_all
from tfmatrix.executors.images import (
    IMAGE_PYTHON,
    Base,
    BaseImages,
    BaseUnavailableError,
    ImageSettings,
    interpreter_mounts,
    userland_mounts,
)
from tfmatrix.executors.opening import Opening
from tfmatrix.executors.process import PathMap, Worker, start_worker, worker_arguments, worker_variables
from tfmatrix.executors.supply import ContainerWork, Provided, Supply, describe

CHECK_MOUNT = PurePosixPath("/tfmatrix/check")
ENVIRONMENT_MOUNT = PurePosixPath("/tfmatrix/environment")
"""Wherever a folder lies outside: in an image, `/root` may be closed to all but root, and a cache may lie below it."""

SERVER_BYTES = 1 << 30
"""Memory of a container beyond its job's limit: the server with TensorFlow imported, and files in /tmp."""

FIRST_USER, USERS = 50_000, 10_000
"""Users that jobs of a container become in turn: none of them is anybody's on most hosts, nor in the container."""

SERVER_CAPABILITIES = ("SETUID", "SETGID", "KILL", "CHOWN", "DAC_OVERRIDE", "FOWNER")
"""What the server keeps of root: to become a job's user, to end its processes, and to take and remove its files."""

CHECK_SECONDS = 60.0
BUILD_SECONDS = 1800.0
_RUN_ALL = """\
import json, subprocess, sys
for command in json.loads(sys.argv[1]):
    code = subprocess.call(command)
    if code:
        sys.exit(code if code > 0 else 1)
"""
"""Runs commands one after the other: an image need not have a shell."""


_READ_ALL = "import sys; [sys.stdout.buffer.write(open(each, 'rb').read()) for each in sys.argv[1:]]"

_SAME_PATHS = (
    "mount the cache (TFMATRIX_CACHE), the project and tfmatrix itself into this container at the paths that they have "
    "outside, or give --executor venv"
)
"""What helps within a container that has the engine's socket."""


NAME = "docker"
ORDER = 10


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a worker container may use. `memory` is one job's, in bytes; `cpus` may be a fraction."""

    memory: int = 4 << 30
    cpus: float = 2.0
    pids: int = 1024
    tmp_bytes: int = 256 << 20


class DockerExecutor:
    """Starts workers in containers of one engine, all with the label of one run. Thread-safe."""

    name = NAME
    confines = True
    isolation = (
        "containers without network; each job is a user of its own with its own home and folder, and ends with all "
        "that it started"
    )

    def __init__(
        self,
        engine: Engine,
        images: BaseImages,
        supply: Supply,
        *,
        run: str,
        limits: Limits,
        say: Callable[[str], None],
        worker: Path = WORKER_FOLDER,
        folders: Sequence[Path] = (),
    ) -> None:
        self._engine = engine
        self._images = images
        self._supply = supply
        self._run = run
        self._limits = limits
        self._say = say
        self._worker = worker.resolve()
        self._folders = folders

    def prepare(self, environment: Environment) -> Prepared:
        """See Executor. Provisions where the interpreter lives: on the host, or in a container of its image."""
        if environment.image:
            return self._prepare_image(environment, self._images.given(environment.image))
        lock = self._supply.lock(environment)
        base = self._images.for_environment(environment, pinned=lock.base_image.partition("@")[2])
        if base.kind == "host-userland":
            provided = self._supply.on_host(lock)
            # The interpreter knows its own place; the environment is relocatable, and goes under the neutral root.
            interpreters = [each for each in interpreter_mounts(provided.python) if each != provided.folder]
            readonly = (*userland_mounts(Path("/")), *interpreters)
        else:
            lock = self._supply.pin(lock, base)
            provided = self._supply.in_image(lock, base, lambda work: self._build(environment, base, work))
            readonly = ()
        return Prepared(
            environment=environment,
            lock=lock,
            key=prepared_key(
                lock=lock.digest,
                base=base.identity(),
                python=provided.python_version,
                variables=environment.env,
            ),
            describe=describe(environment, base.describe(), lock, provided.python_version),
            python=_inside(provided),
            folder=provided.folder if provided.python.is_relative_to(provided.folder) else None,
            python_version=provided.python_version,
            packages=lock.packages,
            tensorflow=lock.tensorflow,
            keras=lock.keras,
            image=base.image,
            readonly=readonly,
        )

    def start(self, prepared: Prepared, mounts: Mounts, *, start_method: str = "fork") -> Worker:
        """See Executor."""
        work = mounts.work.resolve()
        work.mkdir(parents=True, exist_ok=True)
        # The worker's root writes here; its jobs only pass through, each to a folder of its own.
        work.chmod(0o777 if self._engine.remapped else 0o711)
        folders = {
            mounts.scenarios.resolve(): SCENARIOS_MOUNT,
            mounts.store.resolve(): STORE_MOUNT,
            work: WORK_MOUNT,
        }
        binds = [read_only(str(self._worker), str(WORKER_MOUNT))]
        for folder, inside in folders.items():
            binds.append((writable if folder == work else read_only)(str(folder), str(inside)))
        if prepared.folder is not None:
            binds.append(read_only(str(prepared.folder), str(ENVIRONMENT_MOUNT)))
        binds += [read_only(str(folder)) for folder in dict.fromkeys(prepared.readonly)]
        arguments = [
            *worker_arguments(str(WORKER_MOUNT / "server.py"), work=str(WORK_MOUNT), start_method=start_method),
            *("--users", self._users(prepared, mounts)),
            # Root in a rootless engine is the caller outside.
            *("--owner", "0:0" if self._engine.rootless or self._engine.remapped else f"{os.getuid()}:{os.getgid()}"),
            *("--scratch", "/tmp", "--scratch", "/dev/shm"),
        ]
        transport = start_container(
            self._engine.client,
            prepared.image,
            [prepared.python, *arguments],
            run=self._run,
            role="worker",
            name=prepared.environment.id,
            # The server is root, to become somebody else for every job: a job has no capability left.
            user="0:0",
            folder=str(WORK_MOUNT),
            variables=worker_variables(prepared.environment, home=str(WORK_MOUNT), tmp="/tmp"),
            mounts=binds,
            limits={**worker_limits(self._limits, self._engine.cpus), "cap_add": list(SERVER_CAPABILITIES)},
        )
        return start_worker(transport, prepared=prepared, paths=PathMap(folders=folders, work=work))

    def _users(self, prepared: Prepared, mounts: Mounts) -> str:
        """The users that jobs become in turn: nobody in particular, or the caller where only he can read the files."""
        readable = (mounts.scenarios, mounts.store, *prepared.readonly, *mounts.scenarios.glob("*.py"))
        if os.getuid() == 0 or all(_everybody_reads(path) for path in readable):
            return f"{FIRST_USER}:{USERS}"
        return f"{0 if self._engine.rootless else os.getuid()}:1"

    def sweep(self) -> None:
        """See Executor."""
        sweep(self._engine.client, run=self._run)

    def check(self, base: Base) -> None:
        """Runs a container with a worker's limits that reads what a worker reads. Raises BaseUnavailableError.

        It fails where the engine is another machine's, sees other folders than this program (as from within a
        container that has the engine's socket), or cannot set a limit.
        """
        with contextlib.ExitStack() as stack:
            wanted = {self._worker: (self._worker / "server.py").read_bytes()}
            binds = [read_only(str(self._worker), f"{CHECK_MOUNT}/0")]
            files = [f"{CHECK_MOUNT}/0/server.py"]
            for number, root in enumerate((self._supply.root, *self._folders), start=1):
                root.mkdir(parents=True, exist_ok=True)
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=root, prefix="check-")))
                folder.chmod(0o755)
                wanted[root] = os.urandom(8).hex().encode()
                (folder / "token").write_bytes(wanted[root])
                (folder / "token").chmod(0o644)  # whatever the umask: the container is somebody else
                binds.append(read_only(str(folder), f"{CHECK_MOUNT}/{number}"))
                files.append(f"{CHECK_MOUNT}/{number}/token")
            if base.kind == "host-userland":
                binds += [read_only(str(path)) for path in userland_mounts(Path("/"))]
                command = ["cat", *files]
            else:
                command = [IMAGE_PYTHON, "-c", _READ_ALL, *files]
            try:
                output, fate, log = self._run_to_end(
                    base.image,
                    command,
                    role="check",
                    name="check",
                    user=self._engine.user(),
                    variables={},
                    binds=binds,
                    limits=worker_limits(self._limits, self._engine.cpus),
                    seconds=CHECK_SECONDS,
                )
            except InfrastructureError as error:
                raise BaseUnavailableError(
                    f"the engine does not run our containers: {error.what}",
                    fix=_SAME_PATHS if "bind source path" in error.what else "",
                ) from error
        if output == b"".join(wanted.values()):
            return
        unseen = next((folder for folder, content in wanted.items() if content not in output), None)
        if fate == "exit code 0" or (unseen is not None and "o such file" in log):
            raise BaseUnavailableError(f"the engine does not see {unseen} of this machine", fix=_SAME_PATHS)
        last = log.splitlines()[-1:] or [fate]
        raise BaseUnavailableError(f"the engine does not run our containers: {last[0]}")

    def _prepare_image(self, environment: Environment, base: Base) -> Prepared:
        """An image with its own Python and packages: a worker in it is asked once what they are."""
        prepared = Prepared(
            environment=environment,
            lock=None,
            key=prepared_key(lock="", base=base.identity(), python="", variables=environment.env),
            describe={},
            python=IMAGE_PYTHON,
            python_version="",
            packages={},
            image=base.image,
        )
        hello = self._remembered_hello(prepared)
        return replace(
            prepared,
            python_version=str(hello["python"]),
            packages=hello["packages"],
            tensorflow=str(hello["tensorflow"]),
            keras=str(hello["keras"]),
            describe={
                "base": base.describe(),
                "python": hello["python"],
                "tensorflow": hello["tensorflow"],
                "keras": hello["keras"],
                "packages": dict(hello["packages"]),
                "env": dict(environment.env),
                "lock": None,
            },
        )

    def _remembered_hello(self, prepared: Prepared) -> Mapping[str, Any]:
        """The hello of a worker in an image, kept in a file: a start costs seconds, an image never changes."""
        server = hashlib.sha256((self._worker / "server.py").read_bytes()).hexdigest()
        folder = self._supply.root / "images"
        path = folder / f"{prepared.key[:32]}-{server[:16]}.json"
        if path.exists():
            known: dict[str, Any] = json.loads(path.read_text())
            return known
        self._say(f"{prepared.environment.id}: asking image {prepared.environment.image} for its packages")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._supply.root, prefix="hello-") as name:
            mounts = Mounts(scenarios=Path(name) / "scenarios", store=Path(name) / "store", work=Path(name) / "work")
            for each in (mounts.scenarios, mounts.store):
                each.mkdir()
                each.chmod(0o755)
            worker = self.start(prepared, mounts)
            worker.close()
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".tmp", delete=False) as stream:
            json.dump(worker.hello, stream)
        Path(stream.name).rename(path)
        return worker.hello

    def _build(self, environment: Environment, base: Base, work: ContainerWork) -> None:
        """Runs the commands that provide an environment in a container of its base, with network."""
        mounts = [writable(str(folder)) for folder in work.writable]
        mounts += [read_only(str(path)) for path in work.readonly]
        output, fate, log = self._run_to_end(
            base.image,
            [IMAGE_PYTHON, "-c", _RUN_ALL, json.dumps([list(command) for command in work.commands])],
            role="provision",
            name=environment.id,
            # The folder stays the caller's. Root, where the caller is, has no capability but to own files.
            user="0:0" if self._engine.rootless else f"{os.getuid()}:{os.getgid()}",
            variables={"HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8", **work.variables},
            binds=mounts,
            limits=build_limits(work.variables),
            seconds=BUILD_SECONDS,
        )
        if fate != "exit code 0":
            text = "\n".join([*output.decode("utf-8", "replace").splitlines()[-10:], *log.splitlines()[-20:]])
            raise WorkerLostError(
                f"environment {environment.id} could not be provided in {base.reference}: {fate}",
                log_tail=text,
                fix="see the lines below; index, proxy and certificate settings of this host were passed on",
            )

    def _run_to_end(
        self,
        image: str,
        command: Sequence[str],
        *,
        role: str,
        name: str,
        user: str,
        variables: Mapping[str, str],
        binds: Sequence[Any],
        limits: Mapping[str, Any],
        seconds: float,
    ) -> tuple[bytes, str, str]:
        """Output, fate and log of a container that ends by itself. Raises InfrastructureError."""
        transport = start_container(
            self._engine.client,
            image,
            command,
            run=self._run,
            role=role,
            name=name,
            user=user,
            folder="/",
            variables=variables,
            mounts=binds,
            limits=limits,
        )
        try:
            return _read_to_end(transport, seconds), transport.fate(), transport.log.text()
        except TimeoutError as error:
            raise InfrastructureError(f"the {role} container for {name} did not end within {seconds:g} s") from error
        finally:
            transport.kill()


def _inside(provided: Provided) -> str:
    """The interpreter as the worker sees it: that of the environment's folder, or one of the host as it is."""
    if not provided.python.is_relative_to(provided.folder):
        return str(provided.python)
    return str(ENVIRONMENT_MOUNT / provided.python.relative_to(provided.folder).as_posix())


def open_executor(opening: Opening) -> tuple[DockerExecutor, str]:
    """Where an engine answers, runs our containers, and a base can be had for every environment. See `registry`."""
    engine = connect()
    # What a killed run left, whatever its project: only of processes of this host that are gone.
    sweep_all(engine.client)
    settings = ImageSettings(
        template=opening.defaults.docker.image,
        pull=opening.defaults.docker.pull,
        registry_seconds=min(float(opening.defaults.network.timeout), ImageSettings.registry_seconds),
        offline=opening.defaults.network.offline,
        host_userland=opening.defaults.docker.host_userland,
    )
    limits = Limits(
        memory=opening.defaults.memory,
        cpus=opening.defaults.docker.cpus,
        pids=opening.defaults.docker.pids,
        tmp_bytes=opening.defaults.docker.tmpfs,
    )
    images = BaseImages(engine, settings, opening.say)
    executor = DockerExecutor(
        engine, images, opening.supply, run=opening.run, limits=limits, say=opening.say, folders=opening.folders
    )
    # An own image that cannot be had fails its environment alone: no other executor could run it.
    bases = {
        base.reference: base
        for base in (images.for_environment(each) for each in opening.environments if not each.image)
    }
    for base in bases.values():
        executor.check(base)
    notes = dict.fromkeys(base.note for base in bases.values())
    return executor, "; ".join([f"Docker {engine.version}", *notes])


def worker_limits(limits: Limits, cpus: int) -> dict[str, Any]:
    """The host configuration of every worker container; `cpus` is what the engine has."""
    memory = limits.memory + SERVER_BYTES
    return {
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": memory,
        # The same as the memory: no swap beside it.
        "memswap_limit": memory,
        "pids_limit": limits.pids,
        "nano_cpus": int(min(limits.cpus, cpus) * 1_000_000_000),
        # Some packages unpack libraries here and load them: no noexec.
        "tmpfs": {"/tmp": f"rw,nosuid,nodev,exec,size={limits.tmp_bytes},mode=1777"},
        # A crashing scenario would leave gigabytes in its work folder.
        "ulimits": [Ulimit(name="core", soft=0, hard=0)],
        # The protocol is read from the attached socket; the engine need not keep it on disk.
        "log_config": {"Type": "none", "Config": {}},
        # No init: it would be mounted into /sbin, which is the host's read-only folder in a host userland.
    }


def build_limits(variables: Mapping[str, str]) -> dict[str, Any]:
    """The host configuration of a container that provides an environment: with network, otherwise confined."""
    # An index or proxy on this host's loopback address is out of reach from a network of the container's own.
    local = any(name in value for value in variables.values() for name in ("127.0.0.1", "localhost", "[::1]"))
    return {
        "network_mode": "host" if local else "bridge",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "tmpfs": {"/tmp": "rw,nosuid,nodev,exec,mode=1777"},
        "log_config": {"Type": "none", "Config": {}},
    }


def _everybody_reads(path: Path) -> bool:
    """Whether any user may read a file, or enter and list a folder."""
    wanted = 0o005 if path.is_dir() else 0o004
    return path.stat().st_mode & wanted == wanted


def _read_to_end(transport: ContainerTransport, seconds: float) -> bytes:
    """All of standard output. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    output = b""
    while piece := transport.read(max(0.0, deadline - time.monotonic())):
        output += piece
    return output
