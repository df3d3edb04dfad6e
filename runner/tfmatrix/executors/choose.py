"""Which executor a run gets, and the one line that says why."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import InfrastructureError, UsageError
from tfmatrix.core.hints import did_you_mean, one_of
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root
from tfmatrix.executors.base import Executor
from tfmatrix.executors.docker import DockerExecutor, Limits
from tfmatrix.executors.engine import EngineUnavailableError, connect, sweep_all
from tfmatrix.executors.images import BaseImages, BaseUnavailableError, ImageSettings
from tfmatrix.executors.supply import EnvironmentSupply, Supply
from tfmatrix.executors.venv import VenvExecutor
from tfmatrix.project.config import Defaults
from tfmatrix.project.network import make_uv
from tfmatrix.project.project import Project

EXECUTORS = ("auto", "docker", "venv")


def open_executor(
    project: Project,
    environments: Sequence[Environment],
    defaults: Defaults,
    *,
    asked: str | None,
    say: Callable[[str], None],
    run: str,
) -> tuple[Executor, str]:
    """The executor of a project's run, over the shared cache, and why it was taken. `asked` overrides `defaults`.

    Raises UsageError for an executor that there is not, InfrastructureError on Windows; else as `choose_executor`.
    """
    setting = asked or defaults.executor
    if setting not in EXECUTORS:
        raise UsageError(
            f"unknown executor {setting!r}", expected=one_of(EXECUTORS), fix=did_you_mean(setting, EXECUTORS)
        )
    if os.name == "nt":
        raise InfrastructureError(
            "nothing can be measured on Windows: a worker forks, and its folder is opened without following links",
            expected="Linux or macOS",
            fix="run it in WSL 2 or in a CI; what reads runs (report, diff, explain, …) works here",
        )
    supply = EnvironmentSupply(
        locks=project.locks, cache=EnvironmentCache(root=default_cache_root()), uv=make_uv(defaults), say=say
    )
    return choose_executor(setting, environments, defaults=defaults, supply=supply, say=say, run=run)


def choose_executor(
    setting: str,
    environments: Sequence[Environment],
    *,
    defaults: Defaults,
    supply: Supply,
    say: Callable[[str], None],
    run: str = "",
) -> tuple[Executor, str]:
    """The executor for the environments of a run, and why it was taken, in one line.

    `setting` is "auto", "docker" or "venv". "auto" takes docker where an engine answers, runs our containers, and a
    base can be had for every environment; else venv. "docker" raises InfrastructureError instead. `run` labels what is
    made for the run; a fresh label without it. `say` gets progress lines.
    """
    run = run or f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    if setting == "venv":
        return VenvExecutor(supply, run=run), "local environments, as asked for"
    try:
        return _docker(environments, defaults=defaults, supply=supply, say=say, run=run)
    except (EngineUnavailableError, BaseUnavailableError) as error:
        if setting == "docker":
            raise InfrastructureError(
                f"executor docker was asked for, but {error.what}",
                expected="a Docker engine on this machine, and a base image or Linux",
                fix=error.fix or "repair the engine, or use --executor venv",
            ) from error
        return VenvExecutor(supply, run=run), f"local environments: {error.what}"


def require_confinement(executor: Executor) -> None:
    """Raises UsageError where an executor would run a file that somebody sent as the user himself.

    Models are programs: to load one is to run it.
    """
    if executor.name == "venv":
        raise UsageError(
            "executor venv loads the model as you, with your files and network: to load a model is to run its code",
            expected="a Docker engine (executor docker), which confines it, or a model that you trust",
            fix="start Docker; or, where you trust the file as you trust a program, add --trust-model",
        )


def _docker(
    environments: Sequence[Environment],
    *,
    defaults: Defaults,
    supply: Supply,
    say: Callable[[str], None],
    run: str,
) -> tuple[Executor, str]:
    engine = connect()
    # What a killed run left, whatever its project: only of processes of this host that are gone.
    sweep_all(engine.client)
    settings = ImageSettings(
        template=defaults.docker.image,
        pull=defaults.docker.pull,
        registry_seconds=min(float(defaults.network.timeout), ImageSettings.registry_seconds),
        offline=defaults.network.offline,
        host_userland=defaults.docker.host_userland,
    )
    limits = Limits(
        memory=defaults.memory,
        cpus=defaults.docker.cpus,
        pids=defaults.docker.pids,
        tmp_bytes=defaults.docker.tmpfs,
    )
    images = BaseImages(engine, settings, say)
    executor = DockerExecutor(engine, images, supply, run=run, limits=limits, say=say)
    # An own image that cannot be had fails its environment alone: no other executor could run it.
    bases = {base.reference: base for base in (images.for_environment(each) for each in environments if not each.image)}
    for base in bases.values():
        executor.check(base)
    notes = dict.fromkeys(base.note for base in bases.values())
    return executor, "; ".join([f"Docker {engine.version}", *notes])
