"""A night: renew the pins of what moves, run, publish, and say what is news since the night before.

Each step is a command of tfmatrix. A step that fails never hides what another found: its code is kept for the end.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfmatrix.core.errors import ExitCode, TfmatrixError
from tfmatrix.core.version_selectors import NIGHTLY
from tfmatrix.project.project import Project
from tfmatrix.store.runs import Run, RunSummary, list_runs, read_run

Command = Callable[[Sequence[str]], int]
"""Runs a command line of tfmatrix; returns its exit code. Its data goes to `sys.stdout`."""


@dataclass(frozen=True, kw_only=True)
class NightOptions:
    """What a night does. `refreshed` is what another machine's renewal came to; None: renew here.

    `site` is where what is published can be read, for the links of the news.
    """

    set_name: str = NIGHTLY
    output: Path = Path("results/site")
    refreshed: bool | None = None
    run: bool = True
    executor: str | None = None
    summary: Path | None = None
    site: str = ""


def night(project: Project, options: NightOptions, command: Command, say: Callable[[str], None]) -> ExitCode:
    """Does a night's work; INCOMPATIBLE for news, else INFRASTRUCTURE where a step failed, else OK.

    News is what got worse since the last run of the same set. The first night has none before it: then it is every
    unexpected incompatibility. Where the run itself cannot be made (USAGE, NOTHING_SELECTED), that is the answer.
    """
    here = ["-C", str(project.root)]
    problems: list[str] = []
    if options.refreshed is None:
        ids = _moving(project)
        if ids and (code := command(["lock", "--upgrade", *ids, *here])) != ExitCode.OK:
            problems.append(f"{', '.join(ids)} could not be renewed (exit code {code}): measured with the old pins")
    elif not options.refreshed:
        problems.append("the pins could not be renewed: measured with the old ones")
    before = _complete(project)
    if options.run:
        executor = ["--executor", options.executor] if options.executor else []
        code = command(["run", "--set", options.set_name, *executor, *here])
        if code not in (ExitCode.OK, ExitCode.INCOMPATIBLE, ExitCode.INFRASTRUCTURE):
            return ExitCode(code)
        if code == ExitCode.INFRASTRUCTURE:
            problems.append("some cells could not be measured")
    published = command(["publish", "-o", str(options.output), *here])
    if published != ExitCode.OK:
        problems.append(f"the site has gaps, or could not be built (exit code {published})")
    tonight = _tonight(project, before, options)
    has_news = False
    if tonight is None:
        problems.append("there is no complete run of this night: nothing to compare")
    else:
        has_news = _news(project, tonight, options, command, problems, say)
    for problem in problems:
        say(f"warning: {problem}")
    if has_news:
        return ExitCode.INCOMPATIBLE
    return ExitCode.INFRASTRUCTURE if problems else ExitCode.OK


def _moving(project: Project) -> list[str]:
    """What means something else tomorrow: nightly environments, and the selectors of matrix.yaml."""
    config = project.config
    return [each.id for each in config.environments if each.tensorflow == NIGHTLY] + list(config.selected)


def _complete(project: Project) -> dict[str, RunSummary]:
    return {run.id: run for run in list_runs(project.results) if run.complete and not run.is_part}


def _tonight(project: Project, before: dict[str, RunSummary], options: NightOptions) -> Run | None:
    """The run that this night made: the newest of the set that was not there before (a joined one comes by publish)."""
    new = [run for name, run in _complete(project).items() if name not in before]
    for summary in sorted(new, key=lambda run: (run.finished, run.id), reverse=True):
        run = read_run(project.results, summary.id)
        if run.header.get("set") == options.set_name:
            return run
    return None


def _news(
    project: Project,
    tonight: Run,
    options: NightOptions,
    command: Command,
    problems: list[str],
    say: Callable[[str], None],
) -> bool:
    """Whether something got worse; the comparison goes to stdout and to the summary."""
    older = _before(project, tonight, options.set_name)
    if older is None:
        unexpected = sum(record.is_news for record in tonight.records)
        say(f"the first night of the set {options.set_name}: {unexpected} unexpected incompatibilities")
        return unexpected > 0
    captured = io.StringIO()
    with contextlib.redirect_stdout(captured):
        site = ["--site", options.site] if options.site else []
        code = command(["diff", older, tonight.id, "--format", "md", *site, "-C", str(project.root)])
    text = captured.getvalue()
    sys.stdout.write(text)
    _append(options.summary or os.environ.get("GITHUB_STEP_SUMMARY"), text, problems)
    if code not in (ExitCode.OK, ExitCode.INCOMPATIBLE):
        problems.append(f"the comparison with {older} ended with exit code {code}")
    return code == ExitCode.INCOMPATIBLE


def _before(project: Project, tonight: Run, set_name: str) -> str | None:
    """The newest complete run of the same set that ended before tonight's."""
    ended = str(tonight.header.get("finished"))
    older = [run for run in _complete(project).values() if run.finished <= ended and run.id != tonight.id]
    for summary in sorted(older, key=lambda run: (run.finished, run.id), reverse=True):
        with contextlib.suppress(TfmatrixError):
            if read_run(project.results, summary.id).header.get("set") == set_name:
                return summary.id
    return None


def _append(path: Path | str | None, text: str, problems: list[str]) -> None:
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        problems.append(f"{path} cannot be written: {error.strerror}")
