"""What executors need of `tfmatrix.envs`: a lock for an environment, and a folder with what the lock says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ConfigError, InfrastructureError
from tfmatrix.envs.index import index_files
from tfmatrix.envs.interpreters import find_interpreter
from tfmatrix.envs.lock import Lock, ensure_lock, read_lock, set_base_image
from tfmatrix.envs.provision import (
    EnvironmentCache,
    describe_environment,
    environment_key,
    environment_python,
    install_commands,
    provision_on_host,
)
from tfmatrix.envs.uv import Uv
from tfmatrix.executors.images import IMAGE_PYTHON, Base


@dataclass(frozen=True, kw_only=True)
class Provided:
    """An environment on disk: its folder, its interpreter in it, and that interpreter's full version "3.11.7"."""

    folder: Path
    python: Path
    python_version: str


@dataclass(frozen=True, kw_only=True)
class ContainerWork:
    """Commands to run in a container, what they may write and read (at the same paths), and their variables."""

    commands: Sequence[Sequence[str]]
    writable: Sequence[Path]
    readonly: Sequence[Path]
    variables: Mapping[str, str]


class Supply(Protocol):
    """Locks and folders of environments. Any thread may ask; several runs at once share the folders."""

    @property
    def root(self) -> Path:
        """The cache: every folder that is provided lies in it."""

    def lock(self, environment: Environment) -> Lock:
        """The environment's lock; made where there is none. Raises ConfigError, InfrastructureError."""

    def pin(self, lock: Lock, base: Base) -> Lock:
        """Notes an image of a registry in a lock that was made for this run; a lock of before stays as it is."""

    def on_host(self, lock: Lock) -> Provided:
        """The environment for an interpreter of this host. Raises InfrastructureError."""

    def in_image(self, lock: Lock, base: Base, run: Callable[[ContainerWork], None]) -> Provided:
        """The environment for the interpreter of an image; `run` runs commands in it. Raises InfrastructureError."""


class EnvironmentSupply:
    """The Supply of a project: its folder of locks, the user's cache of environments, and uv."""

    def __init__(self, *, locks: Path, cache: EnvironmentCache, uv: Uv, say: Callable[[str], None]) -> None:
        self._locks = locks
        self._cache = cache
        self._uv = uv
        self._say = say
        self._made: set[str] = set()

    @property
    def root(self) -> Path:
        """See Supply."""
        return self._cache.root

    def lock(self, environment: Environment) -> Lock:
        """See Supply."""
        if read_lock(self._locks, environment) is None:
            self._made.add(environment.id)
        return ensure_lock(self._locks, environment, self._uv, progress=self._say)

    def pin(self, lock: Lock, base: Base) -> Lock:
        """See Supply."""
        if lock.environment_id not in self._made or lock.base_image or not base.from_registry:
            return lock
        return set_base_image(lock, base.reference, base.digest)

    def on_host(self, lock: Lock) -> Provided:
        """See Supply."""
        interpreter = find_interpreter(lock.python, self._uv, progress=self._say)
        made = provision_on_host(lock, interpreter, self._cache, self._uv, progress=self._say)
        return Provided(folder=made.folder, python=made.python, python_version=interpreter.version)

    def in_image(self, lock: Lock, base: Base, run: Callable[[ContainerWork], None]) -> Provided:
        """See Supply. uv comes from the host; it writes nothing but the cache, where the environment is built, too."""
        if lock.platform != base.platform:
            raise ConfigError(
                f"this lock was made on {lock.platform}, the image {base.reference} is {base.platform}",
                file=lock.path,
                expected=f"a lock made on {base.platform}: packages differ",
                fix=f"run `tfmatrix lock {lock.environment_id}` on {base.platform}",
            )

        def install(folder: Path) -> None:
            self._say(f"installing {lock.environment_id} in {base.reference}: {len(lock.packages)} packages")
            variables = replace(self._uv, index_options=lock.index_options).variables()
            run(
                ContainerWork(
                    commands=install_commands(
                        lock=lock.path.absolute(),
                        target=folder.absolute(),
                        python=IMAGE_PYTHON,
                        uv=self._uv.executable,
                        cache=self._uv.cache.absolute(),
                    ),
                    writable=[self._cache.root.absolute()],
                    readonly=[self._uv.executable, lock.path.absolute(), *index_files(variables)],
                    variables=variables,
                )
            )

        folder = self._cache.build(
            environment_key(lock, base.digest),
            install,
            description=describe_environment(lock, lock.python),
            user=lock.path,
            progress=self._say,
        )
        return Provided(folder=folder, python=environment_python(folder), python_version=_python_version(folder))


def describe(environment: Environment, base: Mapping[str, str], lock: Lock, python_version: str) -> dict[str, Any]:
    """A locked environment for run.json."""
    return {
        "base": dict(base),
        "python": python_version,
        "tensorflow": lock.tensorflow,
        "keras": lock.keras,
        "packages": dict(lock.packages),
        "env": dict(environment.env),
        "lock": lock.digest,
    }


def _python_version(folder: Path) -> str:
    """The full version of an environment's Python, which cannot run outside its image."""
    text = (folder / "pyvenv.cfg").read_text(encoding="utf-8")
    match = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+\.\d+)", text, re.MULTILINE)
    if match is None:
        raise InfrastructureError(
            f"{folder / 'pyvenv.cfg'} does not say which Python the environment has", fix="remove the folder"
        )
    return match[1]
