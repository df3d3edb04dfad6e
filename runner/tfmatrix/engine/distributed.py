"""A run whose jobs units of an engine do: opens store and engine, has environments provided, goes the usual course."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import UsageError
from tfmatrix.engine.batches import Wanted
from tfmatrix.engine.dispatch import Distribution
from tfmatrix.engine.engines import open_engine
from tfmatrix.engine.engines.base import Engine, Setting
from tfmatrix.engine.estimate import Past
from tfmatrix.engine.execution import execute
from tfmatrix.engine.phase import Phase
from tfmatrix.engine.progress import Progress
from tfmatrix.engine.request import RunRequest
from tfmatrix.envs.lock import ensure_lock
from tfmatrix.executors.choose import require_executor
from tfmatrix.project.network import make_uv
from tfmatrix.project.project import Project
from tfmatrix.store.remote import Remote, SharedStore
from tfmatrix.store.runs import Run, newest_headers

if TYPE_CHECKING:
    from tfmatrix.engine.run import RunOptions


def execute_on_engine(project: Project, request: RunRequest, options: RunOptions, progress: Progress) -> Run:
    """Runs the plan on the engine that the options name. Raises UsageError where store or engine cannot be.

    Interrupted, or with the engine lost, everything that runs is ended; what was measured is in the store.
    """
    if options.store is None:
        raise UsageError(
            "an engine needs a store that its workers reach, too",
            fix="say where: --store file:///SHARED/FOLDER, or --store s3://BUCKET/PATH",
        )
    for name, is_asked in (
        ("--isolated", options.isolated),
        (f"--phase {options.phase}", options.phase is not Phase.ALL),
    ):
        if is_asked:
            raise UsageError(f"{name} is for a run on this machine", fix="leave it out, or leave --engine out")
    executor = require_executor(options.executor or request.defaults.executor)
    remote = Remote(options.store, say=progress.warning)
    store = SharedStore(request.store, remote, fetches=False, say=progress.warning)
    wanted = _wanted(project, request, progress)
    engine = _opened(project, request, options, remote, progress)
    try:
        # Groups of one: what shares a child, and what is repeated alone, a unit decides.
        asked = replace(request, isolated=True)
        distribution = Distribution(
            engine,
            store,
            executor=executor,
            wanted=wanted,
            request=asked,
            past=Past(newest_headers(project.results)),
            progress=progress,
        )
        elsewhere = distribution.provide()
        return execute(asked, elsewhere, progress, store=store, jobs=distribution.jobs, facts=distribution.facts)
    except BaseException:
        engine.cancel()
        raise
    finally:
        engine.close()


def _opened(project: Project, request: RunRequest, options: RunOptions, remote: Remote, progress: Progress) -> Engine:
    if options.engine is not None and not isinstance(options.engine, str):
        return options.engine
    setting = Setting(
        remote=remote,
        run=request.run_id,
        folder=project.results / "engines" / request.run_id,
        workers=options.workers,
        options=options.engine_options,
        say=progress.message,
    )
    return open_engine(str(options.engine), setting)


def _wanted(project: Project, request: RunRequest, progress: Progress) -> Mapping[str, Wanted]:
    """The environments of the plan with their locks; those that have none yet are locked here."""
    uv = make_uv(request.defaults)

    def text_of(environment: Environment) -> str:
        if environment.image:
            return ""
        return ensure_lock(project.locks, environment, uv, progress=progress.message).path.read_text("utf-8")

    return {each.id: Wanted(environment=each, lock=text_of(each)) for each in request.plan.environments}
