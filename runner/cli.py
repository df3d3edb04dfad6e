"""The command line: options in, functions called, exit codes out. stdout is data, stderr is progress and errors."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from runner import __version__
from runner.analysis.explain import ExplainFormat
from runner.analysis.warnings import CatalogueFormat
from runner.errors import ExitCode, TfmatrixError, UsageError
from runner.phase import Phase
from runner.report.render import ReportFormat

if TYPE_CHECKING:
    from runner.project import Project
    from runner.select import Selector

_COMMAND_LINE_ERROR: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)
"""What typer raises for a wrong command line; which package it is in depends on typer's version."""

app = typer.Typer(
    name="tfmatrix",
    help="Cross-version compatibility matrix for TensorFlow: what is lost when a model saved in one version is loaded "
    "in another, with or without an error.",
    epilog="Exit codes: 0 as expected · 1 an unexpected incompatibility · 2 usage or configuration · "
    "3 nothing selected · 4 infrastructure · 130 interrupted.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
env_app = typer.Typer(no_args_is_help=True, help="Provided environments: list, build, prune.")
app.add_typer(env_app, name="env")


class OutputFormat(StrEnum):
    """What `report --format` takes: the texts of ReportFormat, and the site, which is a folder."""

    TABLE = "table"
    MD = "md"
    CSV = "csv"
    JSON = "json"
    SITE = "site"


ProjectOption = Annotated[
    Path, typer.Option("-C", "--project", metavar="PROJECT", help="Folder with matrix.yaml.", show_default="here")
]
SetOption = Annotated[
    str | None, typer.Option("--set", help="Named selection of matrix.yaml.", show_default="everything")
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="GLOB|@FILE", help="Cell ids: scenario/format/writer/reader. Repeatable."),
]
WriterOption = Annotated[list[str] | None, typer.Option("--writer", metavar="GLOB", help="Environments that save.")]
ReaderOption = Annotated[list[str] | None, typer.Option("--reader", metavar="GLOB", help="Environments that load.")]
ScenarioOption = Annotated[list[str] | None, typer.Option("--scenario", metavar="GLOB", help="Names, or tag:NAME.")]
FormatsOption = Annotated[list[str] | None, typer.Option("--format", metavar="GLOB", help="Formats.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
ExecutorOption = Annotated[
    str | None,
    typer.Option("--executor", metavar="auto|docker|venv", help="Overrides matrix.yaml.", show_default=False),
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Ask no package index and no registry.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only warnings and the result.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tfmatrix {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    _debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Entry point: runs the command, prints an error as the user should see it, exits with the documented code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) != len(sys.argv) - 1
    # A CI cancels by SIGTERM: clean up as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    sys.exit(run_command(arguments, debug=debug))


def run_command(arguments: Sequence[str], *, debug: bool = False) -> int:
    """Runs one command line; returns its exit code. Errors go to stderr, with a traceback only for `debug`."""
    code = _run(arguments, debug)
    if code == ExitCode.INTERRUPTED:
        print("interrupted: what was finished is kept; the same command goes on from there", file=sys.stderr)
    return code


def _run(arguments: Sequence[str], debug: bool) -> int:
    command = typer.main.get_command(app)
    try:
        code = command.main(args=list(arguments), prog_name="tfmatrix", standalone_mode=False)
        sys.stdout.flush()
        return int(code or ExitCode.OK)
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone (`tfmatrix report | head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.OK)
    except Exception as error:  # noqa: BLE001  (nobody is left to raise it to)
        if debug:
            traceback.print_exc()
        return _tell(error, debug)


def _tell(error: Exception, debug: bool) -> int:
    """Prints an error as the user should see it; returns its exit code."""
    if isinstance(error, TfmatrixError):
        print(f"error: {error}", file=sys.stderr)
        return int(error.exit_code)
    if isinstance(error, _COMMAND_LINE_ERROR):
        error.show(file=sys.stderr)  # type: ignore[attr-defined]
        return int(ExitCode.USAGE)
    if not debug:
        place = traceback.extract_tb(error.__traceback__)[-1]
        print(
            f"error: tfmatrix itself failed: {type(error).__name__}: {error} "
            f"({Path(place.filename).name}:{place.lineno})\n"
            "  to fix:   run it again with --debug and report the traceback",
            file=sys.stderr,
        )
    return int(ExitCode.INFRASTRUCTURE)


# What the commands share


def _project(root: Path) -> Project:
    from runner.project import Project

    return Project(root=root.resolve())


def _selector(
    only: list[str] | None,
    writer: list[str] | None,
    reader: list[str] | None,
    scenario: list[str] | None,
    formats: list[str] | None,
) -> Selector:
    from runner.select import Selector

    return Selector.from_options(
        only=only or (), writer=writer or (), reader=reader or (), scenario=scenario or (), format=formats or ()
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _echo_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=1))


# Commands


@app.command()
def plan(
    project: ProjectOption = Path(),
    set_name: SetOption = None,
    only: OnlyOption = None,
    writer: WriterOption = None,
    reader: ReaderOption = None,
    scenario: ScenarioOption = None,
    formats: FormatsOption = None,
    cells: Annotated[bool, typer.Option("--cells", help="List the cell ids instead of counting them.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a run would do: environments, scenarios, formats, saves, loads. Starts nothing.

    Examples: `tfmatrix plan --set nightly` · `tfmatrix plan --set quick --cells --reader 2.21.0`
    """
    from runner.commands import plan_project

    selector = _selector(only, writer, reader, scenario, formats)
    planned = plan_project(_project(project), set_name, selector)
    for missed in planned.unmatched:
        _say(f"warning: {missed}")
    if as_json:
        _echo_json(
            {
                "counts": planned.counts(),
                "environments": [environment.id for environment in planned.environments],
                "scenarios": [each.name for each in planned.scenarios],
                "formats": list(planned.formats),
                "saves": [str(save) for save in planned.saves],
                "cells": [str(cell) for cell in planned.cells],
                "unsupported": {str(cell): reason for cell, reason in planned.unsupported.items()},
            }
        )
    elif cells:
        for cell in planned.cells:
            typer.echo(str(cell))
    else:
        for name, count in planned.counts().items():
            typer.echo(f"{name:<12} {count:>7}")
        typer.echo(f"\nenvironments  {', '.join(environment.id for environment in planned.environments)}")
        typer.echo(f"scenarios     {', '.join(each.name for each in planned.scenarios)}")
        typer.echo(f"formats       {', '.join(planned.formats)}")


@app.command()
def run(
    project: ProjectOption = Path(),
    set_name: SetOption = None,
    only: OnlyOption = None,
    writer: WriterOption = None,
    reader: ReaderOption = None,
    scenario: ScenarioOption = None,
    formats: FormatsOption = None,
    phase: Annotated[
        Phase, typer.Option(help="Only save, only load what was saved, or only judge what is in the store.")
    ] = Phase.ALL,
    executor: ExecutorOption = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Jobs at once.", show_default="matrix.yaml")] = None,
    offline: OfflineOption = False,
    isolated: Annotated[
        bool, typer.Option("--isolated", help="A fresh worker for every job: slow; shows that sharing changes nothing.")
    ] = False,
    remedies: Annotated[bool, typer.Option(help="Try the documented workarounds on what fails.")] = True,
    strict: Annotated[
        bool, typer.Option("--strict", help="Entries of known_failures.yaml that ended, match nothing or pass: error.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Add today's unexpected failures to known_failures.yaml, for review.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Save, load and judge; print the table; write `results/`. What is in the store is not measured again.

    Examples: `tfmatrix run --set quick` · `tfmatrix run --scenario lstm --format keras` ·
    `tfmatrix run --only 'optimizer_state/h5/*/2.21.0'` · `tfmatrix run --only @cells.txt`
    """
    from runner.commands import RunOptions, run_project
    from runner.report.render import write

    finished, code = run_project(
        _project(project),
        set_name=set_name,
        selector=_selector(only, writer, reader, scenario, formats),
        options=RunOptions(
            phase=phase,
            executor=executor,
            jobs=jobs,
            offline=offline,
            isolated=isolated,
            remedies=remedies,
            strict=strict,
            accept=accept,
            quiet=quiet,
        ),
    )
    write(finished, ReportFormat.JSON if as_json else ReportFormat.TABLE, sys.stdout)
    raise typer.Exit(int(code))


@app.command()
def report(
    reference: Annotated[
        str, typer.Argument(metavar="RUN", help="A run's id, latest, previous, or a folder.")
    ] = "latest",
    report_format: Annotated[OutputFormat, typer.Option("--format", help="How.")] = OutputFormat.TABLE,
    project: ProjectOption = Path(),
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; a folder for site.", show_default="stdout")
    ] = None,
) -> None:
    """Print a run as a table, Markdown, CSV or JSON, or write it as a static site to browse.

    Examples: `tfmatrix report` · `tfmatrix report previous --format md -o table.md` ·
    `tfmatrix report --format site -o site`
    """
    from runner.report.render import render, write
    from runner.store.content import write_atomically
    from runner.store.runs import read_run

    results = _project(project).results
    found = read_run(results, reference)
    if report_format is OutputFormat.SITE:
        from runner.site import build_run

        if output is None:
            raise UsageError("a site is a folder", expected="-o DIR", fix="tfmatrix report --format site -o site")
        typer.echo(str(build_run(results, found, output).folder / "index.html"))
        return
    if output is not None:
        write_atomically(output, render(found, report_format.value))
    else:
        write(found, report_format.value, sys.stdout)


@app.command()
def publish(
    project: ProjectOption = Path(),
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the site.")] = Path("results/site"),
) -> None:
    """Build the site of the newest run with the runs before it as its history, ready for a static host.

    What is missing (a shard, an environment, a column) is shown as what it is, and the exit code is 4.
    Example: `tfmatrix publish -o results/site`
    """
    from runner.site import publish as published

    raise typer.Exit(int(published(_project(project).results, output)))


@app.command()
def explain(
    target: Annotated[str, typer.Argument(help="A cell id, a cause (C-…), a warning (W-…), or a glob on cell ids.")],
    reference: Annotated[str, typer.Option("--run", metavar="RUN", help="Which run.")] = "latest",
    explain_format: Annotated[ExplainFormat, typer.Option("--format", help="How.")] = ExplainFormat.TEXT,
    whole_traceback: Annotated[bool, typer.Option("--traceback", help="The whole traceback.")] = False,
    project: ProjectOption = Path(),
) -> None:
    """Explain one cell (evidence, attribution, remedies), or one cause with all its cells.

    Examples: `tfmatrix explain lstm/h5/2.15.1/2.21.0` · `tfmatrix explain 'lstm/**'` · `tfmatrix explain C-3fa9c1`
    """
    from runner.analysis.explain import explain as explained
    from runner.store.runs import read_run

    found = read_run(_project(project).results, reference)
    typer.echo(explained(found, target, fmt=explain_format, traceback=whole_traceback), nl=False)


@app.command()
def warnings(
    reference: Annotated[str, typer.Option("--run", metavar="RUN", help="Which run.")] = "latest",
    catalogue_format: Annotated[CatalogueFormat, typer.Option("--format", help="How.")] = CatalogueFormat.MD,
    project: ProjectOption = Path(),
) -> None:
    """List every warning that saving and loading gave, in which versions, and whether it predicts a failure.

    Examples: `tfmatrix warnings` · `tfmatrix warnings --format csv --run previous`
    """
    from runner.analysis.warnings import catalogue, render
    from runner.store.runs import read_run

    typer.echo(render(catalogue(read_run(_project(project).results, reference)), catalogue_format), nl=False)


@app.command()
def reproduce(
    cell: Annotated[str, typer.Argument(help="A cell id: scenario/format/writer/reader.")],
    reference: Annotated[str, typer.Option("--run", metavar="RUN", help="Which run.")] = "latest",
    project: ProjectOption = Path(),
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder to write.", show_default="reproduce/CELL")
    ] = None,
) -> None:
    """Write a bug report for upstream: two plain scripts, both sides' pinned requirements, and the commands.

    Example: `tfmatrix reproduce lstm/h5/2.15.1/2.21.0 -o report`
    """
    from runner.models import CellId
    from runner.reproduce import reproduce as write_report
    from runner.store.runs import read_run

    opened = _project(project)
    try:
        wanted = CellId.parse(cell)
    except ValueError as error:
        raise UsageError(
            str(error), expected="scenario/format/writer/reader", fix="see `tfmatrix plan --cells`"
        ) from error
    folder = write_report(
        read_run(opened.results, reference),
        wanted,
        scenarios=opened.scenario_folder,
        locks=opened.locks,
        output=output or Path("reproduce", *cell.split("/")),
        environments=opened.config.environments,
    )
    typer.echo(str(folder))


@app.command()
def lock(
    environments: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Environments.")] = None,
    project: ProjectOption = Path(),
    check: Annotated[bool, typer.Option("--check", help="Only say whether the locks fit matrix.yaml.")] = False,
) -> None:
    """Resolve and pin environments: `locks/ID.txt` with hashes. Without ids: every one that has no lock.

    Examples: `tfmatrix lock` · `tfmatrix lock 2.16.2@today` · `tfmatrix lock --check`
    """
    from runner.commands import lock_environments

    raise typer.Exit(int(lock_environments(_project(project), environments or [], check=check)))


@env_app.command("list")
def env_list(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """List the environments of matrix.yaml: locked, provided, how large."""
    from runner.commands import describe_environments

    rows = describe_environments(_project(project))
    if as_json:
        _echo_json(rows)
        return
    from tabulate import tabulate

    typer.echo(tabulate(rows, headers="keys"))


@env_app.command("build")
def env_build(
    environments: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Environments.")] = None,
    project: ProjectOption = Path(),
    executor: ExecutorOption = None,
    offline: OfflineOption = False,
    quiet: QuietOption = False,
) -> None:
    """Provide environments ahead of a run. Without ids: all.

    Example: `tfmatrix env build 2.15.1 2.16.2`
    """
    from runner.commands import RunOptions, build_environments

    options = RunOptions(executor=executor, offline=offline, quiet=quiet)
    raise typer.Exit(int(build_environments(_project(project), environments or [], options)))


@env_app.command("prune")
def env_prune(
    project: ProjectOption = Path(),
    everything: Annotated[bool, typer.Option("--all", help="Also those of this project.")] = False,
) -> None:
    """Remove provided environments that no lock of this project asks for."""
    from runner.commands import prune_environments

    for line in prune_environments(_project(project), everything=everything):
        typer.echo(line)


@app.command()
def clean(
    project: ProjectOption = Path(),
    store: Annotated[bool, typer.Option("--store", help="Also everything measured: the next run starts anew.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also containers of runs that are still going on.")] = False,
) -> None:
    """Remove what interrupted runs left behind: containers, work folders, half-built environments.

    Examples: `tfmatrix clean` · `tfmatrix clean --store`
    """
    from runner.commands import clean_up

    for line in clean_up(_project(project), store=store, force=force):
        typer.echo(line)


@app.command()
def schema(
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File to write.", show_default="stdout")] = None,
) -> None:
    """Write the JSON Schema of matrix.yaml, for editors.

    Example: `tfmatrix schema -o runner/config/matrix.schema.json`
    """
    from runner.config import schema_text
    from runner.store.content import write_atomically

    if output is None:
        typer.echo(schema_text(), nl=False)
    else:
        write_atomically(output, schema_text())
