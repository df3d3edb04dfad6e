"""What the commands do: puts project, executor, store and progress together. The command line only parses."""

from __future__ import annotations

import importlib
import os
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner import __version__
from runner.config import Defaults, KnownFailure, expired, read_defaults
from runner.errors import ExitCode, InfrastructureError, UsageError
from runner.hints import did_you_mean, one_of
from runner.models import Environment
from runner.phase import Phase
from runner.project import Project
from runner.select import Selector
from runner.shard import Shard, group_name, parse_shard, shard_plan
from runner.ui import Progress, make_progress

if TYPE_CHECKING:
    from runner.envs.releases import Index
    from runner.envs.uvtool import Uv
    from runner.executors.base import Executor
    from runner.plan import Plan
    from runner.request import Adopted, RunRequest
    from runner.store.runs import Run

EXECUTORS = ("auto", "docker", "venv")

BYTES_PER_SLOT = 3 * 2**30
"""Memory that a busy slot may need: two workers with TensorFlow imported, and what its job takes."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the command line may say of a run beside the selection; None leaves it to matrix.yaml."""

    phase: Phase = Phase.ALL
    executor: str | None = None
    jobs: int | None = None
    offline: bool = False
    isolated: bool = False
    remedies: bool = True
    strict: bool = False
    accept: bool = False
    quiet: bool = False
    results: Path | None = None
    shard: str | None = None
    shard_group: str | None = None
    adopted: Mapping[str, Adopted] = field(default_factory=dict)


def plan_project(project: Project, set_name: str | None, selector: Selector) -> Plan:
    """The plan of a set and a selector, decided as far as the locks tell versions."""
    from runner.envs.lock import read_lock
    from runner.plan import make_plan
    from runner.worker.formats import FORMATS

    selection = project.config.selection(set_name)
    versions = {}
    for environment in selection.environments:
        lock = None if environment.image else read_lock(project.locks, environment)
        if lock is not None:
            versions[environment.id] = lock.packages
    return make_plan(selection, project.scenarios, selector, formats=FORMATS, versions=versions)


def run_project(
    project: Project,
    *,
    set_name: str | None = None,
    selector: Selector | None = None,
    options: RunOptions | None = None,
) -> tuple[Run, ExitCode]:
    """Plans, runs, and returns the finished run with its exit code."""
    from runner.request import RunRequest
    from runner.run import execute, exit_code
    from runner.store.runs import new_run_id

    options = options or RunOptions()
    plan = plan_project(project, set_name, selector or Selector())
    defaults = _defaults(project, options.offline)
    today = datetime.now(UTC)
    versions = [environment.tensorflow for environment in project.config.environments]
    ended = expired(project.known_failures, today.date(), versions)
    run_id = new_run_id(today)
    legacy = legacy_readers(plan.environments) if options.remedies else {}
    whole, shard = plan, _shard(plan, options, today)
    if shard is not None:
        plan = shard_plan(whole, shard, helpers={reader: each.id for reader, each in legacy.items()})
    with make_progress(quiet=options.quiet) as progress:
        for missed in plan.unmatched:
            progress.warning(str(missed))
        for entry in ended:
            progress.warning(
                f"{project.root / 'known_failures.yaml'}:{entry.line}: ended with {entry.until}: {entry.reason}"
            )
        executor, reason = _executor(project, plan.environments, defaults, options.executor, progress, run_id)
        request = RunRequest(
            run_id=run_id,
            plan=plan,
            scenario_folder=project.scenario_folder,
            results=options.results or project.results,
            store=options.results / "store" if options.results else project.store,
            defaults=defaults,
            known_failures=[entry for entry in project.known_failures if entry not in ended],
            legacy_readers=legacy,
            set_name=set_name,
            executor_reason=reason,
            phase=options.phase,
            slots=options.jobs or slots(defaults),
            isolated=options.isolated,
            remedies=options.remedies,
            shard=shard,
            whole=whole if shard is not None else None,
            adopted=options.adopted,
        )
        progress.print_preamble(_preamble(project, request, executor, reason))
        # The table wants pandas, whose import takes as long as all else of a run that finds everything in the store.
        threading.Thread(target=importlib.import_module, args=("pandas",), daemon=True).start()
        finished = execute(request, executor, progress)
        code = exit_code(finished)
        # An entry that no cell of a shard needs may be needed by another's.
        stale = [*ended, *(stale_entries(finished, project.known_failures) if shard is None else ())]
        if options.strict and stale:
            lines = ", ".join(str(entry.line) for entry in stale)
            progress.warning(
                f"{project.root / 'known_failures.yaml'}: ended, unmatched or fixed entries: lines {lines}"
            )
            code = code or ExitCode.INCOMPATIBLE
        if options.accept and code is ExitCode.INCOMPATIBLE:
            from runner.accept import add_entries, proposals

            added = add_entries(project.root / "known_failures.yaml", proposals(finished))
            progress.message(f"{added} entries proposed in {project.root / 'known_failures.yaml'}: review them")
            code = ExitCode.OK
    return finished, code


def _shard(plan: Plan, options: RunOptions, now: datetime) -> Shard | None:
    """Which part of the plan this machine makes; None for all of it."""
    if options.shard is None:
        if options.shard_group is not None:
            raise UsageError("--shard-group without --shard", fix="say which part: --shard 1/4")
        return None
    number, of = parse_shard(options.shard)
    group = group_name(plan, of, given=options.shard_group, environ=os.environ, now=now)
    return Shard(group=group, number=number, of=of)


def stale_entries(run: Run, entries: Sequence[KnownFailure]) -> list[KnownFailure]:
    """Entries that no failing cell of the run needs, of those that cover any cell of it."""
    stale = []
    for entry in entries:
        covered = [record for record in run.records if entry.covers(record.id)]
        if covered and not any(entry.matches(record.id, record.status) for record in covered):
            stale.append(entry)
    return stale


def legacy_readers(environments: Sequence[Environment]) -> dict[str, Environment]:
    """For each environment with Keras 3, the one of the same run with its TensorFlow and tf-keras switched on.

    None is added for the sake of remedies: tf-keras takes ten seconds and more for the first training step of every
    process (measured with 2.16: AutoGraph converts its code).
    """
    legacy = {
        environment.tensorflow: environment
        for environment in environments
        if environment.env.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true")
    }
    return {
        reader.id: legacy[reader.tensorflow]
        for reader in environments
        if reader.tensorflow in legacy and "TF_USE_LEGACY_KERAS" not in reader.env
    }


def slots(defaults: Defaults) -> int:
    """Jobs at once: as matrix.yaml says, or as many as there are CPUs and memory for."""
    if isinstance(defaults.jobs, int):
        return defaults.jobs
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(cpus, memory // BYTES_PER_SLOT))


def chosen_environments(project: Project, ids: Sequence[str]) -> list[Environment]:
    """The environments of those ids, all without any; UsageError with a did-you-mean for one that there is not."""
    return [project.config.environment(each) for each in ids] if ids else list(project.config.environments)


def lock_environments(
    project: Project, ids: Sequence[str], *, check: bool = False, upgrade: bool = False, offline: bool = False
) -> list[str]:
    """Resolves selectors and writes locks: of the named environments anew, else those that are missing.

    With `upgrade` what moves with time is renewed: selectors, and environments as of today. Returns a line for each
    thing that is new. With `check` nothing is written: UsageError where something is stale.
    """
    from runner.locking import Locking, raise_stale

    with make_progress() as progress:
        uv = _uv(_overridden(read_defaults(project.matrix_file), offline))
        locking = Locking(project=project, uv=uv, ids=tuple(ids), upgrade=upgrade, say=progress.message)
        if not check:
            return locking.write()
        raise_stale(locking.check(), upgrade=upgrade)
        return ["nothing is stale"]


def describe_environments(project: Project) -> list[dict[str, Any]]:
    """One row per environment of matrix.yaml: its versions, and how large it is where it is provided."""
    from runner.envs.lock import read_lock
    from runner.envs.provision import EnvironmentCache, default_cache_root

    provided = {found.lock: found for found in EnvironmentCache(root=default_cache_root()).list_environments()}
    rows = []
    for environment in project.config.environments:
        lock = None if environment.image else read_lock(project.locks, environment)
        found = provided.get(lock.digest) if lock is not None else None
        rows.append(
            {
                "environment": environment.id,
                "python": environment.python,
                "tensorflow": lock.tensorflow if lock else environment.tensorflow,
                "keras": lock.keras if lock else "",
                "locked": environment.image or ("yes" if lock else "no"),
                "provided": "yes" if found else "no",
                "MB": round(found.bytes / 1e6) if found else None,
            }
        )
    return rows


def build_environments(project: Project, ids: Sequence[str], options: RunOptions) -> ExitCode:
    """Provides environments ahead of a run."""
    environments = chosen_environments(project, ids)
    defaults = _defaults(project, options.offline)
    failed = False
    with make_progress(quiet=options.quiet) as progress:
        executor, reason = _executor(project, environments, defaults, options.executor, progress, "build")
        progress.message(f"executor {executor.name}: {reason}")
        progress.environments(len(environments))
        try:
            for environment in environments:
                start = time.monotonic()
                progress.environment_started(environment.id)
                try:
                    executor.prepare(environment)
                except InfrastructureError as error:
                    failed = True
                    progress.warning(f"{environment.id} cannot be provided: {error}")
                else:
                    progress.environment_ready(environment.id, time.monotonic() - start, "")
        finally:
            executor.sweep()
    return ExitCode.INFRASTRUCTURE if failed else ExitCode.OK


def prune_environments(project: Project, *, everything: bool) -> list[str]:
    """Removes provided environments that no lock of this project asks for; returns a line for each."""
    from runner.envs.lock import read_lock
    from runner.envs.provision import EnvironmentCache, default_cache_root

    cache = EnvironmentCache(root=default_cache_root())
    wanted: set[str] = set()
    if not everything:
        locks = [read_lock(project.locks, each) for each in project.config.environments if not each.image]
        wanted = {lock.digest for lock in locks if lock is not None}
    known = {found.key: found for found in cache.list_environments()}
    pruned = cache.prune([key for key, found in known.items() if found.lock in wanted])
    lines = [f"removed {known[key].environment_id or key}" for key in pruned.keys if key in known]
    return [*lines, f"{len(pruned.keys)} environments, {pruned.freed_bytes / 1e6:.0f} MB freed"]


def clean_up(project: Project, *, store: bool, force: bool) -> list[str]:
    """Removes what interrupted runs left: containers, work folders; with `store` also everything measured."""
    from runner.executors.engine import EngineUnavailableError, connect, remove_images, sweep_all

    lines = []
    try:
        client = connect().client
        lines += [f"removed container {name}" for name in sweep_all(client, force=force)]
        lines += [f"removed image {name}" for name in remove_images(client)]
    except EngineUnavailableError as error:
        lines.append(f"no containers looked for: {error.what}")
    for folder in [project.store / "work", *([project.store] if store else [])]:
        if folder.is_dir():
            shutil.rmtree(folder)
            lines.append(f"removed {folder}")
    return lines


def _defaults(project: Project, offline: bool) -> Defaults:
    """The settings of matrix.yaml, as the command line changes them."""
    return _overridden(project.config.defaults, offline)


def _overridden(defaults: Defaults, offline: bool) -> Defaults:
    if not offline:
        return defaults
    return defaults.model_copy(update={"network": defaults.network.model_copy(update={"offline": True})})


def package_index(project: Project, *, offline: bool = False) -> Index:
    """The package index as the project is configured to ask it; matrix.yaml may be absent."""
    from runner.envs.releases import Index

    defaults = read_defaults(project.matrix_file) if project.matrix_file.exists() else Defaults()
    return Index.of(_uv(_overridden(defaults, offline)))


def _uv(defaults: Defaults) -> Uv:
    from runner.envs.provision import EnvironmentCache, default_cache_root
    from runner.envs.uvtool import Network, Uv

    network = Network(offline=defaults.network.offline, timeout=defaults.network.timeout)
    return Uv(cache=EnvironmentCache(root=default_cache_root()).downloads, network=network)


def _executor(
    project: Project,
    environments: Sequence[Environment],
    defaults: Defaults,
    asked: str | None,
    progress: Progress,
    run_id: str,
) -> tuple[Executor, str]:
    from runner.envs.provision import EnvironmentCache, default_cache_root
    from runner.executors.choose import choose_executor
    from runner.executors.supply import EnvironmentSupply

    setting = asked or defaults.executor
    if setting not in EXECUTORS:
        raise UsageError(
            f"unknown executor {setting!r}", expected=one_of(EXECUTORS), fix=did_you_mean(setting, EXECUTORS)
        )
    return choose_executor(
        setting,
        environments,
        defaults=defaults,
        supply=EnvironmentSupply(
            locks=project.locks,
            cache=EnvironmentCache(root=default_cache_root()),
            uv=_uv(defaults),
            say=progress.message,
        ),
        say=progress.message,
        run=run_id,
    )


def _preamble(project: Project, request: RunRequest, executor: Executor, reason: str) -> list[str]:
    """The resolved options and where the caches lie: the log of a nightly job explains itself."""
    from runner.envs.provision import default_cache_root

    counts = request.plan.counts()
    chosen = f"set {request.set_name}" if request.set_name else "everything"
    if (shard := request.shard) is not None:
        chosen += f", shard {shard.number} of {shard.of} of {shard.group}"
    return [
        f"tfmatrix {__version__} in {project.root}",
        f"selection    {chosen}: {counts['environments']} environments, {counts['scenarios']} scenarios, "
        f"{counts['formats']} formats, {counts['saves']} saves, {counts['cells']} cells",
        f"executor     {executor.name}: {reason}",
        f"jobs         {request.slots} at once",
        f"cache        {default_cache_root()}",
        f"results      {project.results}",
    ]
