"""The command upgrade."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from tfmatrix.cli.app import app
from tfmatrix.cli.options import (
    ExecutorOption,
    FormatsOption,
    JobsOption,
    JsonOption,
    LoaderOption,
    OfflineOption,
    OldFormatsOption,
    OnlyOption,
    OutputOption,
    ProjectOption,
    QuietOption,
    ScenarioOption,
    TrustOption,
    below,
    formats_and_style,
    new_below,
    open_project,
    say,
    selector_of,
    write,
)
from tfmatrix.core.choices import AnswerFormat
from tfmatrix.core.errors import UsageError


@app.command()
def upgrade(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[MODEL]...", help="Scenario files (.py) and saved models.", show_default="the project's"
        ),
    ] = None,
    before: Annotated[
        str, typer.Option("--from", metavar="VERSION|ID|FILE", help="What it is now.", show_default="see --from-git")
    ] = "",
    after: Annotated[
        str,
        typer.Option("--to", metavar="VERSION|ID|FILE", help="What it is to be.", show_default="the project's pins"),
    ] = "",
    git: Annotated[
        str,
        typer.Option(
            "--from-git",
            metavar="REF",
            help="Read the old pins from this commit.",
            show_default="in a pull request on GitHub: its base",
        ),
    ] = "",
    scenarios: Annotated[
        Path | None, typer.Option("--scenarios", metavar="DIR", help="Folder of scenarios.", show_default="scenarios/")
    ] = None,
    scenario: ScenarioOption = None,
    formats: FormatsOption = None,
    older_formats: OldFormatsOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Without models of one's own: every shipped scenario, in every format.")
    ] = False,
    only: OnlyOption = None,
    python: Annotated[
        str, typer.Option(metavar="X.Y", help="The Python of both sides.", show_default="as pinned")
    ] = "",
    variables: Annotated[
        list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="Environment variable of the sides.")
    ] = None,
    extras: Annotated[
        list[str] | None,
        typer.Option("--extra", metavar="NAME", help="With this extra of the file. Repeatable.", show_default="none"),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option("--group", metavar="NAME", help="With this group of the file. Repeatable.", show_default="none"),
    ] = None,
    lowest: Annotated[bool, typer.Option("--lowest", help="Of a range the lowest version, not the newest.")] = False,
    from_source: Annotated[
        bool, typer.Option("--from-source", help="Compile what has no wheels for the chosen Python.")
    ] = False,
    alternative: Annotated[
        bool, typer.Option("--alternative/--no-alternative", help="If it is not SAFE, look for the newest that is.")
    ] = True,
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="SAFE WITH CHANGES ends with exit code 0.")
    ] = False,
    loader: LoaderOption = None,
    require_rollback: Annotated[
        bool, typer.Option("--require-rollback", help="The way back must be safe as well.")
    ] = False,
    training: Annotated[
        bool, typer.Option("--training", help="Does the code still train the same, and write the same names?")
    ] = False,
    as_json: JsonOption = False,
    style: Annotated[AnswerFormat | None, typer.Option("--as", help="How.", show_default="text")] = None,
    output: OutputOption = None,
    junit: Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Also write JUnit XML.")] = None,
    project: ProjectOption = Path(),
    executor: ExecutorOption = None,
    trust_model: TrustOption = False,
    jobs: JobsOption = None,
    offline: OfflineOption = False,
    quiet: QuietOption = False,
) -> None:
    """May TensorFlow be upgraded with your models? And back? SAFE, SAFE WITH CHANGES, UNSAFE, UNKNOWN, NOT INSTALLABLE.

    A side is a version (2.15.1, 2.15, latest, nightly, 2.16.2+tf-keras), an id of matrix.yaml, or a file that says what
    is installed, with all that it pins: requirements.txt, pyproject.toml, uv.lock, poetry.lock, pdm.lock, Pipfile,
    pylock.toml, setup.cfg, setup.py, environment.yml, pixi.lock, Dockerfile. In a pull request no argument is needed.

    Exit codes: 0 SAFE · 1 UNSAFE, or SAFE WITH CHANGES without --allow-changes · 2 usage, configuration or pins ·
    3 UNKNOWN: nothing that works could be asked · 4 UNKNOWN: something could not be measured.

    Examples: `tfmatrix upgrade --from 2.12.1 --to 2.15.1` ·
    `tfmatrix upgrade --from-git main --to requirements.txt` ·
    `tfmatrix upgrade --from 2.15.1 --to 2.16 model.keras my_scenario.py --format keras`
    """
    from tfmatrix.cli.answers import answer_json
    from tfmatrix.commands.upgrade.command import UpgradeOptions, upgrade_project
    from tfmatrix.commands.upgrade.settled import Refused, Unchanged
    from tfmatrix.commands.upgrade.sides import Wanted
    from tfmatrix.engine.run import RunOptions

    globs, style = formats_and_style(formats, older_formats, style, AnswerFormat.TEXT)
    options = UpgradeOptions(
        wanted=Wanted(
            before=before,
            after=after,
            git=git,
            python=python,
            variables=_variables(variables or []),
            extras=tuple(extras or ()),
            groups=tuple(groups or ()),
            lowest=lowest,
            from_source=from_source,
        ),
        models=[below(project, each) for each in models or ()],
        scenarios=scenarios and below(project, scenarios),
        selector=selector_of(only, None, None, scenario, globs),
        alternative=alternative,
        allow_changes=allow_changes,
        require_rollback=require_rollback,
        everything=everything,
        training=training,
        loader=loader.value if loader is not None else None,
    )
    output, junit = new_below(project, output), new_below(project, junit)
    for path in filter(None, (output, junit)):
        if not path.absolute().parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}", fix="make it first, or name another file")
    answer = upgrade_project(
        open_project(project),
        options,
        RunOptions(executor=executor, jobs=jobs, offline=offline, quiet=quiet, trust_model=trust_model),
    )
    if isinstance(answer, Unchanged | Refused):
        said = answer.document()
        if as_json:
            write(answer_json("upgrade", said), output)
        else:
            write(answer.markdown() if style is AnswerFormat.MD else answer.text(), output)
        _tell_ci(answer.junit, answer.annotations(), answer.markdown, said["verdict"] or "", junit)
        raise typer.Exit(int(answer.exit_code))
    from tfmatrix.commands.upgrade.ci import to_junit, workflow_commands
    from tfmatrix.commands.upgrade.render import document, to_markdown, to_text

    colour = output is None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    if as_json:
        write(answer_json("upgrade", document(answer)), output)
    elif style is AnswerFormat.MD:
        write(to_markdown(answer), output)
    else:
        write(to_text(answer, colour=colour), output)
    verdict = answer.upgrade.verdict.value
    _tell_ci(lambda: to_junit(answer), workflow_commands(answer), lambda: to_markdown(answer), verdict, junit)
    raise typer.Exit(int(answer.exit_code))


def _tell_ci(
    to_junit: Callable[[], str],
    annotations: Sequence[str],
    to_markdown: Callable[[], str],
    verdict: str,
    junit: Path | None,
) -> None:
    """JUnit XML where it is asked for, and in GitHub Actions annotations, the job's summary and the step's output."""
    if junit is not None:
        junit.write_text(to_junit(), encoding="utf-8")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from tfmatrix.commands.upgrade.ci import append_output, append_summary

        for line in annotations:
            say(line)
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            append_summary(Path(summary), to_markdown())
        if outputs := os.environ.get("GITHUB_OUTPUT"):
            append_output(Path(outputs), verdict)


def _variables(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.isidentifier():
            raise UsageError(f"--env {text!r} is no variable", expected="NAME=VALUE, such as TF_USE_LEGACY_KERAS=1")
        found[name] = value
    return found
