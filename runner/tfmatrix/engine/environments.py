"""The environments of a run: provided once, or the reason why not."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from packaging.utils import canonicalize_name

from tfmatrix.core.environment import Environment, uses_tf_keras
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.core.versions import Versions
from tfmatrix.engine.inference import Facts
from tfmatrix.engine.plan import writer_versions
from tfmatrix.engine.progress import Progress
from tfmatrix.executors.base import Executor, Mounts, Prepared, WorkerProcess
from tfmatrix.store.keys import digest_of

_OTHERS = ("numpy", "h5py", "protobuf")
"""Packages beside TensorFlow and Keras that decide how a file is read."""


@dataclass(frozen=True, kw_only=True)
class _Varied:
    """One of the environments, with other variables for its workers."""

    plain: str
    variables: Mapping[str, str]
    prepared: Prepared


class Environments:
    """Environments that an executor provides. One that fails costs its own cells."""

    def __init__(self, executor: Executor, mounts: Mounts, progress: Progress) -> None:
        self._executor = executor
        self._mounts = mounts
        self._progress = progress
        self._prepared: dict[str, Prepared] = {}
        self._varied: dict[str, _Varied] = {}
        self._unavailable: dict[str, str] = {}
        self._versions: dict[str, Versions] = {}

    def provide(self, environments: Sequence[Environment], slots: int) -> None:
        """Provides all of them, `slots` at once. Raises ConfigError for one that is wrong in matrix.yaml."""
        self._progress.environments(len(environments))
        with ThreadPoolExecutor(max_workers=slots) as pool:
            for _ in pool.map(self._provide, environments):
                pass  # a ConfigError is raised here

    def _provide(self, environment: Environment) -> None:
        start = time.monotonic()
        self._progress.environment_started(environment.id)
        try:
            prepared = self._executor.prepare(environment)
        except InfrastructureError as error:
            self._unavailable[environment.id] = str(error)
            self._progress.warning(f"{environment.id} cannot be provided: {error}")
            return
        self._prepared[environment.id] = prepared
        self._progress.environment_ready(environment.id, time.monotonic() - start, "")

    def varied(self, name: str, variables: Mapping[str, str]) -> str:
        """The name of one that is there, with other variables for its workers: nothing has to be provided for it.

        Without any it is the one itself.
        """
        if not variables:
            return name
        varied = " ".join([name, *(f"{each}={value}" for each, value in variables.items())])
        plain = self._prepared[name]
        prepared = replace(
            plain,
            environment=replace(plain.environment, env={**plain.environment.env, **variables}),
            key=digest_of(["varied", plain.key, dict(variables)]),
        )
        self._varied[varied] = _Varied(plain=name, variables=dict(variables), prepared=prepared)
        return varied

    def plain(self, name: str) -> tuple[str, Mapping[str, str]]:
        """The environment that a name stands for, and the variables that its workers have beside those of its own."""
        varied = self._varied.get(name)
        return (varied.plain, varied.variables) if varied is not None else (name, {})

    def __contains__(self, name: str) -> bool:
        """Whether it is there."""
        return name in self._prepared

    def unavailable(self, name: str) -> str | None:
        """Why it could not be provided; None where it is there."""
        return self._unavailable.get(name)

    def key(self, name: str) -> str:
        """Its part of every key: lock, base and variables."""
        return self._of(name).key

    def versions(self, name: str) -> Versions:
        """TensorFlow, and the Keras that `tf.keras` is there: tf-keras where it is switched on."""
        if name not in self._versions:
            prepared = self._prepared[name]
            found = writer_versions(prepared.environment, prepared.packages)
            self._versions[name] = Versions(
                tensorflow=found.get("tensorflow", prepared.tensorflow), keras=found.get("keras", prepared.keras)
            )
        return self._versions[name]

    def facts(self) -> dict[str, Facts]:
        """What of each that is there decides how it reads."""
        found = {}
        for name, prepared in self._prepared.items():
            versions = self.versions(name)
            packages: dict[str, str] = {canonicalize_name(each): version for each, version in prepared.packages.items()}
            others = (f"python {prepared.python_version}", *(f"{each} {packages.get(each, '')}" for each in _OTHERS))
            is_legacy = uses_tf_keras(prepared.environment)
            found[name] = Facts(
                keras=versions.keras, tensorflow=versions.tensorflow, is_legacy=is_legacy, others=others
            )
        return found

    def keras(self) -> dict[str, str]:
        """The Keras of each that is there."""
        return {name: self.versions(name).keras for name in self._prepared}

    def describe(self) -> dict[str, dict[str, Any]]:
        """What run.json says of each that was asked for."""
        return {name: {**prepared.describe, "key": prepared.key} for name, prepared in self._prepared.items()} | {
            name: {"unavailable": reason} for name, reason in self._unavailable.items()
        }

    def start(self, name: str) -> WorkerProcess:
        """A new worker, with a folder of its own to write to. Raises InfrastructureError."""
        mounts = replace(self._mounts, work=self._mounts.work / f"worker-{secrets.token_hex(8)}")
        return self._executor.start(self._of(name), mounts)

    def _of(self, name: str) -> Prepared:
        varied = self._varied.get(name)
        return varied.prepared if varied is not None else self._prepared[name]
