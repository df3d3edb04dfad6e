"""A night: renew the pins of what moves, run, publish, and say what is news since the night before.

A step that fails never hides what another found: its problem is kept for the end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tfmatrix.analysis.diff.compared import diff
from tfmatrix.analysis.diff.source import of_run
from tfmatrix.core.choices import DocumentFormat
from tfmatrix.core.errors import ExitCode, InfrastructureError, TfmatrixError
from tfmatrix.core.version_selectors import NIGHTLY
from tfmatrix.engine.progress import make_progress
from tfmatrix.engine.run import RunOptions, run_project
from tfmatrix.project.config import read_defaults
from tfmatrix.project.locking import Locking
from tfmatrix.project.network import make_uv
from tfmatrix.project.project import Project
from tfmatrix.reports.diff import render
from tfmatrix.reports.site.published import build_published
from tfmatrix.store.merge import join_shards
from tfmatrix.store.runs import Run, RunSummary, list_runs, read_run


@dataclass(frozen=True, kw_only=True)
class NightOptions:
    """What a night does. `refreshed` is what another machine's renewal came to; None: renew here.

    `set_name` None is the set `nightly` where matrix.yaml has one, else everything, as right after `tfmatrix init`.
    `known` is a folder or an address with what others measured. `site` is where what is published can be read, for the
    links of the news.
    """

    set_name: str | None = None
    output: Path = Path("results/site")
    refreshed: bool | None = None
    run: bool = True
    executor: str | None = None
    jobs: int | None = None
    known: str | None = None
    site: str = ""


def renew(project: Project, ids: Sequence[str]) -> list[str]:
    """Locks what moves with time anew; returns a line for each thing that is new."""
    with make_progress() as progress:
        uv = make_uv(read_defaults(project.matrix_file), offline=False)
        return Locking(project=project, uv=uv, ids=tuple(ids), upgrade=True, say=progress.message).write()


def run(project: Project, options: NightOptions) -> tuple[Run, ExitCode]:
    """Measures the night's set."""
    return run_project(
        project,
        set_name=options.set_name,
        options=RunOptions(executor=options.executor, jobs=options.jobs, known=options.known),
    )


def publish(project: Project, output: Path) -> ExitCode:
    """Builds the site of what was published before and tonight."""
    return build_published(project.results, output).exit_code


@dataclass(frozen=True, kw_only=True)
class Steps:
    """What a night calls; tests put others in their place."""

    renew: Callable[[Project, Sequence[str]], list[str]] = renew
    run: Callable[[Project, NightOptions], tuple[Run, ExitCode]] = run
    publish: Callable[[Project, Path], ExitCode] = publish


@dataclass(kw_only=True)
class Night:
    """What a night came to: `news` is the comparison with the night before, in Markdown, where there was one.

    `renewed` are the lines of `renew`, `problems` the steps that failed, a sentence each.
    """

    renewed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    note: str = ""
    news: str = ""
    has_news: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """INCOMPATIBLE for news, else INFRASTRUCTURE where a step failed, else OK."""
        if self.has_news:
            return ExitCode.INCOMPATIBLE
        return ExitCode.INFRASTRUCTURE if self.problems else ExitCode.OK

    def append_news(self, file: Path) -> None:
        """Adds the news to a file; that it cannot be written is a problem like others."""
        try:
            with file.open("a", encoding="utf-8") as stream:
                stream.write(self.news)
        except OSError as error:
            self.problems.append(f"{file} cannot be written: {error.strerror}")


def night(project: Project, options: NightOptions, steps: Steps | None = None) -> Night:
    """Does a night's work.

    News is what got worse since the last run of the same set. The first night has none before it: then it is every
    unexpected incompatibility. Where the run itself cannot be made (a mistake in matrix.yaml, nothing selected), that
    error is raised.
    """
    steps = steps or Steps()
    found = Night()
    if options.set_name is None and NIGHTLY in project.config.sets:
        options = replace(options, set_name=NIGHTLY)
    project = _renewed(project, options, steps, found)
    before = {summary.id for summary in _complete(project)}
    tonight = _measured(project, options, steps, found)
    try:
        join_shards(project.results)
        code = steps.publish(project, options.output)
    except TfmatrixError as error:
        found.problems.append(f"the site could not be built: {error.what}")
    else:
        if code is not ExitCode.OK:
            found.problems.append("the site has gaps, which it names")
    tonight = tonight or _joined(project, before, options)
    if tonight is None:
        found.problems.append("there is no complete run of this night: nothing to compare")
    else:
        _compare(project, tonight, options, found)
    return found


def _renewed(project: Project, options: NightOptions, steps: Steps, found: Night) -> Project:
    """The project with the pins of tonight, as far as they could be had."""
    if options.refreshed is False:
        found.problems.append("the pins could not be renewed: measured with the old ones")
    ids = _moving(project) if options.refreshed is None else []
    if not ids:
        return project
    try:
        found.renewed = steps.renew(project, ids)
    except TfmatrixError as error:
        found.problems.append(f"{', '.join(ids)} could not be renewed, measured with the old pins: {error.what}")
        return project
    return replace(project)  # read anew: selectors may stand for other environments now


def _moving(project: Project) -> list[str]:
    """What means something else tomorrow: nightly environments, and the selectors of matrix.yaml."""
    config = project.config
    return [each.id for each in config.environments if each.tensorflow == NIGHTLY] + list(config.selected)


def _measured(project: Project, options: NightOptions, steps: Steps, found: Night) -> Run | None:
    """Tonight's run, where it is made here and can be."""
    if not options.run:
        return None
    try:
        tonight, code = steps.run(project, options)
    except InfrastructureError as error:
        found.problems.append(f"nothing could be measured: {error.what}")
        return None
    if code is ExitCode.INFRASTRUCTURE:
        found.problems.append("some cells could not be measured")
    return tonight


def _complete(project: Project) -> list[RunSummary]:
    """The complete runs, those first that ended last."""
    runs = [each for each in list_runs(project.results) if each.complete and not each.is_part]
    return sorted(runs, key=lambda each: (each.finished, each.id), reverse=True)


def _joined(project: Project, before: set[str], options: NightOptions) -> Run | None:
    """The run of the set that other machines made and that was put together just now."""
    for summary in _complete(project):
        if summary.id not in before:
            run = read_run(project.results, summary.id)
            if run.header.get("set") == options.set_name:
                return run
    return None


def _compare(project: Project, tonight: Run, options: NightOptions, found: Night) -> None:
    older = _before(project, tonight, options.set_name)
    if older is None:
        unexpected = sum(record.is_news for record in tonight.records)
        what = f"the set {options.set_name}" if options.set_name else "the whole matrix"
        found.note = f"the first night of {what}: {unexpected} unexpected incompatibilities"
        found.has_news = unexpected > 0
        return
    try:
        comparison = diff(of_run(older), of_run(tonight))
    except TfmatrixError as error:
        found.problems.append(f"there is no comparison with {older.id}: {error.what}")
        return
    found.news = render(comparison, DocumentFormat.MD, site=options.site)
    found.has_news = comparison.exit_code is ExitCode.INCOMPATIBLE
    if comparison.exit_code is ExitCode.INFRASTRUCTURE:
        found.problems.append(f"some cells that {older.id} measured could not be measured tonight")


def _before(project: Project, tonight: Run, set_name: str | None) -> Run | None:
    """The newest complete run of the same set that ended before tonight's; damaged ones are passed over."""
    ended = str(tonight.header.get("finished"))
    for summary in _complete(project):
        if summary.finished <= ended and summary.id != tonight.id:
            with contextlib.suppress(TfmatrixError):
                run = read_run(project.results, summary.id)
                if run.header.get("set") == set_name:
                    return run
    return None
