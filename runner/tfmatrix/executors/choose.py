"""Which executor a run gets, and the one line that says why."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import InfrastructureError, UsageError
from tfmatrix.core.hints import did_you_mean, one_of
from tfmatrix.core.plugins import AUTO, executor_names
from tfmatrix.envs.provision import EnvironmentCache, default_cache_root
from tfmatrix.executors.base import Executor, UnavailableError
from tfmatrix.executors.opening import Opening
from tfmatrix.executors.registry import executors
from tfmatrix.executors.supply import EnvironmentSupply, Supply
from tfmatrix.project.config import Defaults
from tfmatrix.project.network import make_uv
from tfmatrix.project.project import Project


def require_executor(setting: str) -> str:
    """The setting, where there is such an executor. Raises UsageError."""
    names = executor_names()
    if setting not in names:
        raise UsageError(f"unknown executor {setting!r}", expected=one_of(names), fix=did_you_mean(setting, names))
    return setting


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
    setting = require_executor(asked or defaults.executor)
    if os.name == "nt":
        raise InfrastructureError(
            "nothing can be measured on Windows: a worker forks, and its folder is opened without following links",
            expected="Linux or macOS",
            fix="run it in WSL 2 or in a CI; what reads runs (report, diff, explain, …) works here",
        )
    supply = EnvironmentSupply(
        locks=project.locks, cache=EnvironmentCache(root=default_cache_root()), uv=make_uv(defaults), say=say
    )
    folders = (project.results,)
    return choose_executor(setting, environments, defaults=defaults, supply=supply, say=say, run=run, folders=folders)


def choose_executor(
    setting: str,
    environments: Sequence[Environment],
    *,
    defaults: Defaults,
    supply: Supply,
    say: Callable[[str], None],
    run: str = "",
    folders: Sequence[Path] = (),
) -> tuple[Executor, str]:
    """The executor for the environments of a run, and why it was taken, in one line.

    `setting` is "auto" or the name of one. "auto" takes the first that can work here: docker where an engine answers,
    runs our containers, and a base can be had for every environment; else venv. One that is asked for and cannot work
    raises InfrastructureError. `run` labels what is made for the run; a fresh label without it. `say` gets progress
    lines. `folders` are those of the project that workers need beside the cache.
    """
    opening = Opening(
        environments=environments,
        defaults=defaults,
        supply=supply,
        say=say,
        run=run or f"{os.getpid()}-{uuid.uuid4().hex[:8]}",
        asked=setting != AUTO,
        folders=folders,
    )
    if opening.asked:
        try:
            return executors()[setting].open(opening)
        except UnavailableError as error:
            raise InfrastructureError(
                f"executor {setting} was asked for, but {error.what}",
                expected=error.expected or "what that executor needs, on this machine",
                fix=error.fix or "repair it, or use --executor auto",
            ) from error
    failed: list[UnavailableError] = []
    for kind in executors().values():
        if kind.order is not None:
            try:
                return kind.open(replace(opening, instead="; ".join(each.what for each in failed)))
            except UnavailableError as error:
                failed.append(error)
    raise failed[-1] if failed else UnavailableError("there is no executor")


def require_confinement(executor: Executor) -> None:
    """Raises UsageError where an executor would run a file that somebody sent as the user himself.

    Models are programs: to load one is to run it.
    """
    if not executor.confines:
        raise UsageError(
            f"executor {executor.name} loads the model as you, with your files and network: to load a model is to run "
            "its code",
            expected="a Docker engine (executor docker), which confines it, or a model that you trust",
            fix="start Docker; or, where you trust the file as you trust a program, add --trust-model",
        )
