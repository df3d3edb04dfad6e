"""tfmatrix for programs: the commands as typed functions that print nothing.

    from tfmatrix.api import Project, run, upgrade

    project = Project(root=Path("."))
    finished = run(project, set_name="quick", progress=print)
    for record in finished.run.records: print(record.cell, record.status)
    answer = upgrade(project, before="2.15.1", after="2.21.0")

The command line and the Nox sessions do the same by the same functions. What goes wrong is raised as a `TfmatrixError`,
which knows its exit code: `UsageError` and `ConfigError` for what was asked or written, `NothingSelectedError`, and
`InfrastructureError` for what could not be provided. An incompatibility is a result and never an exception.

`progress` gets a line of text now and then, from several threads; without it a function is silent. Ctrl-C ends a
function by KeyboardInterrupt after its workers are gone; the same call goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfmatrix.core.errors import (
    ConfigError,
    ExitCode,
    InfrastructureError,
    NothingSelectedError,
    TfmatrixError,
    UsageError,
)
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.project.project import Project
from tfmatrix.reports.export.frame import load_run
from tfmatrix.store.runs import Run

if TYPE_CHECKING:
    from tfmatrix.commands.check.result import CheckResult
    from tfmatrix.commands.migrate.command import MigrateResult
    from tfmatrix.commands.upgrade.answer import UpgradeAnswer
    from tfmatrix.commands.upgrade.settled import Refused, Unchanged
    from tfmatrix.engine.engines.base import Engine
    from tfmatrix.engine.run import RunOptions

__all__ = [
    "CellRecord",
    "ConfigError",
    "ExitCode",
    "FinishedRun",
    "InfrastructureError",
    "NothingSelectedError",
    "Progress",
    "Project",
    "Run",
    "Status",
    "TfmatrixError",
    "UsageError",
    "check",
    "load_run",
    "migrate",
    "run",
    "upgrade",
]

Progress = Callable[[str], None]
"""What is told while something goes on: a line without its end."""


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """A run and what `tfmatrix run` would exit with: OK, INCOMPATIBLE for what is not listed, or INFRASTRUCTURE."""

    run: Run
    exit_code: ExitCode


def run(
    project: Project,
    *,
    set_name: str | None = None,
    only: Iterable[str] = (),
    writer: Iterable[str] = (),
    reader: Iterable[str] = (),
    scenario: Iterable[str] = (),
    format: Iterable[str] = (),
    executor: str | None = None,
    jobs: int | None = None,
    offline: bool = False,
    remedies: bool = True,
    engine: Engine | None = None,
    store: str | None = None,
    progress: Progress | None = None,
) -> FinishedRun:
    """Saves, loads and judges, as `tfmatrix run`: everything of matrix.yaml, or of its set `set_name`.

    `only` are globs of cell ids, the other four of their parts; a cell is run that fits one of each that is given.
    `executor` (auto, docker, venv) and `jobs` take the place of what matrix.yaml says. What is in the store is not
    measured again; the run is written under `project.results`. Units of `engine` measure, where it is given, over the
    store at the address `store`, such as a DaskEngine of `tfmatrix.engine.engines.dask` over any distributed.Client.
    """
    from dataclasses import replace

    from tfmatrix.core.selection import Selector
    from tfmatrix.engine.run import run_project

    selector = Selector.from_options(only=only, writer=writer, reader=reader, scenario=scenario, format=format)
    options = _options(executor, jobs, offline, progress, remedies=remedies)
    options = replace(options, engine=engine, store=store)
    finished, code = run_project(project, set_name=set_name, selector=selector, options=options)
    return FinishedRun(run=finished, exit_code=code)


def upgrade(
    project: Project,
    *,
    before: str = "",
    after: str = "",
    git: str = "",
    models: Sequence[Path | str] = (),
    scenarios: Path | None = None,
    scenario: Iterable[str] = (),
    format: Iterable[str] = (),
    saved_as: Iterable[str] = (),
    only: Iterable[str] = (),
    python: str = "",
    variables: Mapping[str, str] | None = None,
    alternative: bool = True,
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    everything: bool = False,
    allow_changes: bool = False,
    require_rollback: bool = False,
    executor: str | None = None,
    jobs: int | None = None,
    offline: bool = False,
    trust_model: bool = False,
    progress: Progress | None = None,
) -> UpgradeAnswer | Unchanged | Refused:
    """Whether TensorFlow may be upgraded from `before` to `after`, as `tfmatrix upgrade`.

    A side is a version, an id of matrix.yaml, or a file that pins one; `git` is a commit to read the old pins from.
    `models` are scenario files and saved models, `scenarios` a folder of scenarios; without either those of the
    project, and where it has none a dozen of the shipped ones (`everything`: all of them). `format` are globs of
    formats (once called `saved_as`). Returns `Unchanged` where both sides install the same, `Refused` where one of them
    cannot be installed.
    The verdict is `answer.upgrade.verdict`; `answer.exit_code` is the command's.
    Executor venv loads saved models as this user, and refuses that without `trust_model`.
    """
    from tfmatrix.commands.upgrade.command import UpgradeOptions, upgrade_project
    from tfmatrix.commands.upgrade.sides import Wanted
    from tfmatrix.core.selection import Selector

    wanted = UpgradeOptions(
        wanted=Wanted(
            before=before,
            after=after,
            git=git,
            python=python,
            variables=variables or {},
            extras=tuple(extras),
            groups=tuple(groups),
        ),
        models=[Path(each) for each in models],
        scenarios=scenarios,
        selector=Selector.from_options(only=only, scenario=scenario, format=format or saved_as),
        alternative=alternative,
        allow_changes=allow_changes,
        require_rollback=require_rollback,
        everything=everything,
    )
    return upgrade_project(project, wanted, _options(executor, jobs, offline, progress, trust_model=trust_model))


def check(
    project: Project,
    model: Path | str,
    *,
    readers: Sequence[str] = ("latest",),
    saved_with: str | None = None,
    inputs: Path | str | None = None,
    custom_objects: Path | str | None = None,
    builder: str | None = None,
    executor: str | None = None,
    jobs: int | None = None,
    offline: bool = False,
    remedies: bool = True,
    trust_model: bool = False,
    progress: Progress | None = None,
) -> CheckResult:
    """What other versions read from a saved model, as `tfmatrix check`. The file is read, never written.

    `readers` are ids of matrix.yaml, versions and selectors; `saved_with` is a version where the file does not say it.
    `inputs` is an .npz file with an array for each input, `custom_objects` a Python file with the model's own classes,
    `builder` FILE.py:FUNCTION that builds the model weights belong to. `result.unknown` says why nothing can be said.
    Executor venv loads the file as this user, and refuses that without `trust_model`.
    """
    from tfmatrix.commands.check.result import check_file

    return check_file(
        project,
        Path(model),
        readers,
        saved_with=saved_with,
        inputs=Path(inputs) if inputs else None,
        custom_objects=Path(custom_objects) if custom_objects else None,
        builder=builder,
        options=_options(executor, jobs, offline, progress, remedies=remedies, trust_model=trust_model),
    )


def migrate(
    project: Project,
    files: Sequence[Path | str],
    *,
    to: str = "latest",
    format: str | None = None,
    output: Path = Path("migrated"),
    saved_with: str | None = None,
    inputs: Path | None = None,
    custom_objects: Path | None = None,
    tf_keras: bool = True,
    executor: str | None = None,
    jobs: int | None = None,
    offline: bool = False,
    trust_model: bool = False,
    progress: Progress | None = None,
) -> MigrateResult:
    """Makes files that the version `to` reads, as `tfmatrix migrate`; only what is proven is handed over, in `output`.

    `files` are model files, SavedModel folders, globs and folders of them; they are read, never written. Each result
    says its `level`: proven, proven for inference (`lost` names what does not hold), or refused (`reason`, `fix`).
    Executor venv loads the files as this user, and refuses that without `trust_model`.
    """
    from tfmatrix.commands.migrate.command import MigrateOptions, migrate_project

    wanted = MigrateOptions(
        to=to,
        format=format,
        output=output,
        saved_with=saved_with,
        custom_objects=custom_objects,
        inputs=inputs,
        tf_keras=tf_keras,
    )
    options = _options(executor, jobs, offline, progress, trust_model=trust_model)
    return migrate_project(project, [str(file) for file in files], wanted, options)


def _options(
    executor: str | None,
    jobs: int | None,
    offline: bool,
    progress: Progress | None,
    *,
    remedies: bool = True,
    trust_model: bool = False,
) -> RunOptions:
    from tfmatrix.engine.run import RunOptions

    return RunOptions(
        executor=executor,
        jobs=jobs,
        offline=offline,
        remedies=remedies,
        trust_model=trust_model,
        say=progress or (lambda _line: None),
    )
