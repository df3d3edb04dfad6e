"""What the commands do: puts project, executor, store and progress together. The command line only parses."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ExitCode, UsageError
from tfmatrix.core.selection import Selector
from tfmatrix.core.version import __version__
from tfmatrix.engine.host import slots
from tfmatrix.engine.phase import Phase
from tfmatrix.engine.progress import make_progress
from tfmatrix.project.project import Project

if TYPE_CHECKING:
    from tfmatrix.core.scenario import Scenario
    from tfmatrix.engine.engines.base import Engine
    from tfmatrix.engine.plan import Plan
    from tfmatrix.engine.request import RunRequest
    from tfmatrix.engine.shards import Shard
    from tfmatrix.engine.subjects import MeasuredSubject, ScenarioFile
    from tfmatrix.executors.base import Executor
    from tfmatrix.project.config import KnownFailure
    from tfmatrix.store.runs import Run


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the command line may say of a run beside the selection; None leaves it to matrix.yaml.

    `say` gets the lines of progress, which otherwise go to stderr. `known` is a folder or an address with what others
    measured. `trust_model`: a model file may be loaded where nothing confines it. `migrates`: every cell that fails
    may be made anew, and not only the first of its cause. `baseline` is what others are judged against: for
    what it does not read of its own files nothing is tried.
    Units of `engine` measure, over the store at the address `store`; `workers` and `engine_options` are for opening it.
    """

    phase: Phase = Phase.ALL
    executor: str | None = None
    jobs: int | None = None
    offline: bool = False
    isolated: bool = False
    remedies: bool = True
    strict: bool = False
    quiet: bool = False
    trust_model: bool = False
    migrates: bool = False
    baseline: str | None = None
    shard: str | None = None
    shard_group: str | None = None
    say: Callable[[str], None] | None = None
    known: str | None = None
    engine: str | Engine | None = None
    store: str | None = None
    workers: int | None = None
    engine_options: Mapping[str, str] = field(default_factory=dict)


def plan_project(
    project: Project, set_name: str | None, selector: Selector, subjects: Sequence[MeasuredSubject] | None = None
) -> Plan:
    """The plan of a set and a selector, decided as far as the locks tell versions.

    `subjects` take the place of the project's scenarios, where given.
    """
    from tfmatrix.engine.plan import make_plan
    from tfmatrix.envs.lock import read_lock

    selection = project.config.selection(set_name)
    versions = {}
    for environment in selection.environments:
        lock = None if environment.image else read_lock(project.locks, environment)
        if lock is not None:
            versions[environment.id] = lock.packages
    scenarios = project.scenarios if subjects is None else [each.about for each in subjects]
    return make_plan(selection, scenarios, selector, formats=project.formats, versions=versions)


def run_project(
    project: Project,
    *,
    set_name: str | None = None,
    selector: Selector | None = None,
    options: RunOptions | None = None,
    subjects: Sequence[MeasuredSubject] | None = None,
) -> tuple[Run, ExitCode]:
    """Plans, runs, and returns the finished run with its exit code.

    `subjects` take the place of the project's scenarios, where given.
    """
    from tfmatrix.checks.registry import checks_code_digest
    from tfmatrix.engine.execution import execute, exit_code
    from tfmatrix.engine.request import RunRequest
    from tfmatrix.engine.shards import shard_plan
    from tfmatrix.engine.subjects import GivenFile, ScenarioFile
    from tfmatrix.executors.choose import open_executor, require_confinement
    from tfmatrix.project.config import expired
    from tfmatrix.project.network import with_network
    from tfmatrix.store.known import NOTHING, read_known
    from tfmatrix.store.runs import new_run_id

    options = options or RunOptions()
    plan = plan_project(project, set_name, selector or Selector(), subjects)
    if subjects is None:
        wanted = {square.scenario for square in plan.squares}
        subjects = [
            _stored(project, each) if each.name in wanted else ScenarioFile(about=each) for each in project.scenarios
        ]
    defaults = with_network(project.config.defaults, offline=options.offline)
    today = datetime.now(UTC)
    versions = [environment.tensorflow for environment in project.config.environments]
    ended = expired(project.known_failures, today.date(), versions)
    run_id = new_run_id(today)
    legacy = legacy_readers(plan.environments) if options.remedies else {}
    whole, shard = plan, _shard(plan, options, today)
    if shard is not None:
        plan = shard_plan(whole, shard, helpers={reader: each.id for reader, each in legacy.items()})
    with make_progress(quiet=options.quiet, say=options.say) as progress:
        for missed in plan.unmatched:
            progress.warning(str(missed))
        for entry in ended:
            progress.warning(
                f"{project.root / 'known_failures.yaml'}:{entry.line}: ended with {entry.until}: {entry.reason}"
            )
        name = options.engine if isinstance(options.engine, str) or options.engine is None else options.engine.name
        executor, reason = None, f"units of engine {name}"
        if options.engine is None:
            executor, reason = open_executor(
                project, plan.environments, defaults, asked=options.executor, say=progress.message, run=run_id
            )
            if not options.trust_model and any(isinstance(each, GivenFile) for each in subjects):
                require_confinement(executor)
        request = RunRequest(
            run_id=run_id,
            plan=plan,
            subjects={subject.about.name: subject for subject in subjects},
            # Scenarios of entry points alone: then there is no such folder, and theirs are in the store.
            scenario_folder=project.scenario_folder if project.scenario_folder.is_dir() else project.store,
            results=project.results,
            store=project.store,
            defaults=defaults,
            formats=project.formats,
            known_failures=[entry for entry in project.known_failures if entry not in ended],
            legacy_readers=legacy,
            set_name=set_name,
            executor_reason=reason,
            phase=options.phase,
            slots=options.jobs or slots(defaults),
            isolated=options.isolated,
            remedies=options.remedies,
            migrates=options.migrates,
            baseline=options.baseline,
            shard=shard,
            whole=whole if shard is not None else None,
            known=NOTHING if options.known is None else read_known(options.known, checks=checks_code_digest()),
        )
        progress.print_preamble(_preamble(project, request, executor, reason))
        if executor is None:
            from tfmatrix.engine.distributed import execute_on_engine

            finished = execute_on_engine(project, request, options, progress)
        else:
            finished = execute(request, executor, progress)
        code = exit_code(finished)
        if options.strict:
            # An entry that no cell of a shard needs may be needed by another's.
            stale = [*ended, *(stale_entries(finished, project.known_failures) if shard is None else ())]
            if stale:
                lines = ", ".join(str(entry.line) for entry in stale)
                progress.warning(
                    f"{project.root / 'known_failures.yaml'}: ended, unmatched or fixed entries: lines {lines}"
                )
                code = code or ExitCode.INCOMPATIBLE
    return finished, code


def _stored(project: Project, scenario: Scenario) -> ScenarioFile:
    """The scenario with what workers cannot see where it lies, in the store: what it imports of the project, and its
    own file where that is not in the folder of scenarios.
    """
    from tfmatrix.engine.subjects import ScenarioFile
    from tfmatrix.project.sources import Sources
    from tfmatrix.store.content import Store

    def kept(files: Mapping[str, Path]) -> Path:
        with store.incoming() as staged:
            Sources(files=files).copy_to(staged)
            return store.folder(store.keep(staged))

    store, path = Store(project.store), Path(scenario.path)
    if path.resolve().parent != project.scenario_folder.resolve() or not _is_open(path):
        scenario = replace(scenario, path=str(kept({path.name: path}) / path.name))
    return ScenarioFile(about=scenario, sources=kept(scenario.sources) if scenario.sources else None)


def _is_open(path: Path) -> bool:
    """Whether a worker that comes as somebody else may read a file of the mounted folder: a umask may forbid it."""
    return bool(path.stat().st_mode & 0o004) and path.parent.stat().st_mode & 0o005 == 0o005


def _shard(plan: Plan, options: RunOptions, now: datetime) -> Shard | None:
    """Which part of the plan this machine makes; None for all of it."""
    if options.shard is None:
        if options.shard_group is not None:
            raise UsageError("--shard-group without --shard", fix="say which part: --shard 1/4")
        return None
    from tfmatrix.engine.shards import Shard, group_name, parse_shard

    number, of = parse_shard(options.shard)
    group = group_name(plan, of, given=options.shard_group, environ=os.environ, now=now)
    return Shard(group=group, number=number, of=of)


def stale_entries(run: Run, entries: Sequence[KnownFailure]) -> list[KnownFailure]:
    """Entries that no failing cell of the run needs, of those that cover any cell of it."""
    stale = []
    by_cell = {record.id: record for record in run.records}
    for entry in entries:
        covered = [(cell, record) for cell, record in by_cell.items() if entry.covers(cell)]
        if covered and not any(entry.matches(cell, each.status, each.failed_checks) for cell, each in covered):
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


def _preamble(project: Project, request: RunRequest, executor: Executor | None, reason: str) -> list[str]:
    """The resolved options and where the caches lie: the log of a nightly job explains itself."""
    from tfmatrix.engine.estimate import estimate_lines
    from tfmatrix.envs.provision import EnvironmentCache, default_cache_root

    counts = request.plan.counts()
    estimate = estimate_lines(
        saves=counts["saves"],
        loads=counts["cells"],
        slots=request.slots,
        locks=[_lock_digest(project, each) for each in request.plan.environments if not each.image],
        environments=EnvironmentCache(root=default_cache_root()).environments,
    )
    chosen = f"set {request.set_name}" if request.set_name else "everything"
    if (shard := request.shard) is not None:
        chosen += f", shard {shard.number} of {shard.of} of {shard.group}"
    return [
        f"tfmatrix {__version__} in {project.root}",
        f"selection    {chosen}: {counts['environments']} environments, {counts['scenarios']} scenarios, "
        f"{counts['formats']} formats, {counts['saves']} saves, {counts['cells']} cells",
        *([f"executor     {reason}"] if executor is None else [f"executor     {executor.name}: {reason}"]),
        *([] if executor is None else [f"isolation    {executor.isolation}"]),
        f"jobs         {request.slots} at once",
        f"cache        {default_cache_root()}",
        f"results      {project.results}",
        *estimate,
    ]


def _lock_digest(project: Project, environment: Environment) -> str:
    """That of its lock; empty where it has none yet."""
    from tfmatrix.envs.lock import read_lock

    lock = read_lock(project.locks, environment)
    return lock.digest if lock else ""
