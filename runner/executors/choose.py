"""Which executor a run gets, and the one line that says why."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence

from runner.config import Defaults
from runner.errors import InfrastructureError
from runner.executors.base import Executor
from runner.executors.docker import DockerExecutor, Limits
from runner.executors.engine import EngineUnavailableError, connect
from runner.executors.images import BaseImages, BaseUnavailableError, ImageSettings
from runner.executors.supply import Supply
from runner.executors.venv import VenvExecutor
from runner.models import Environment


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


def _docker(
    environments: Sequence[Environment],
    *,
    defaults: Defaults,
    supply: Supply,
    say: Callable[[str], None],
    run: str,
) -> tuple[Executor, str]:
    engine = connect()
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
