"""The commands that read a run: report, publish, explain, warnings, reproduce."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tfmatrix.cli import completion
from tfmatrix.cli.app import app
from tfmatrix.cli.options import JsonOption, OutputOption, ProjectOption, RunOption, new_below, open_project, write
from tfmatrix.core.choices import CatalogueFormat, DocumentFormat
from tfmatrix.core.errors import UsageError
from tfmatrix.reports.export import DEFAULT, form_names

ReportForm = StrEnum("ReportForm", {name: name for name in form_names()})  # type: ignore[misc]


@app.command()
def report(
    reference: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A run's id, latest, previous, or a folder.", autocompletion=completion.runs
        ),
    ] = "latest",
    report_format: Annotated[ReportForm, typer.Option("--format", help="How.")] = ReportForm(DEFAULT),
    project: ProjectOption = Path(),
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File to write; a folder for site and archive.", show_default="stdout"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print a run as a table, Markdown, CSV or JSON, or write it as a static site to browse or an archive to commit.

    An archive is a folder: the tables in Markdown, run.json, and the records compressed; RUN may be such a folder.
    Examples: `tfmatrix report` · `tfmatrix report previous --format md -o table.md` ·
    `tfmatrix report --format site -o site` · `tfmatrix report --format archive -o results/published/nightly`
    """
    from tfmatrix.reports.export import form
    from tfmatrix.reports.render import render
    from tfmatrix.reports.render import write as write_at_once
    from tfmatrix.store.runs import read_run

    results, output = open_project(project).results, new_below(project, output)
    found = read_run(results, reference)
    name = "json" if as_json else report_format.value
    chosen = form(name)
    if output is not None and hasattr(chosen, "write"):
        typer.echo(str(chosen.write(found, results, output)))
    elif output is not None:
        write(render(found, name), output)
    else:
        write_at_once(found, name, sys.stdout)


@app.command()
def publish(
    project: ProjectOption = Path(),
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the site.")] = Path("results/site"),
) -> None:
    """Build the site of the newest run with the runs before it as its history, ready for a static host.

    What is missing (a shard, an environment, a column) is shown as what it is, and the exit code is 4.
    Example: `tfmatrix publish -o results/site`
    """
    from tfmatrix.commands.publish import publish as published

    raise typer.Exit(int(published(open_project(project).results, project / output)))


@app.command()
def explain(
    target: Annotated[
        str,
        typer.Argument(
            help="A cell id, a cause (C-…), a warning (W-…), or a glob on cell ids.", autocompletion=completion.cells
        ),
    ],
    reference: RunOption = "latest",
    explain_format: Annotated[DocumentFormat, typer.Option("--format", help="How.")] = DocumentFormat.TEXT,
    whole_traceback: Annotated[bool, typer.Option("--traceback", help="The whole traceback.")] = False,
    project: ProjectOption = Path(),
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain one cell (evidence, attribution, remedies), or one cause with all its cells.

    Examples: `tfmatrix explain lstm/h5/2.15.1/2.21.0` · `tfmatrix explain 'lstm/**'` · `tfmatrix explain C-3fa9c1`
    """
    from tfmatrix.reports.explain import explain as explained
    from tfmatrix.store.runs import read_run

    found = read_run(open_project(project).results, reference)
    fmt = DocumentFormat.JSON if as_json else explain_format
    write(explained(found, target, fmt=fmt, traceback=whole_traceback), new_below(project, output))


@app.command()
def warnings(
    reference: RunOption = "latest",
    catalogue_format: Annotated[CatalogueFormat, typer.Option("--format", help="How.")] = CatalogueFormat.MD,
    project: ProjectOption = Path(),
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every warning that saving and loading gave, in which versions, and whether it predicts a failure.

    Examples: `tfmatrix warnings` · `tfmatrix warnings --format csv --run previous`
    """
    from tfmatrix.analysis.warnings import catalogue
    from tfmatrix.reports.catalogue import render
    from tfmatrix.store.runs import read_run

    found = catalogue(read_run(open_project(project).results, reference))
    write(render(found, CatalogueFormat.JSON if as_json else catalogue_format), new_below(project, output))


@app.command()
def reproduce(
    cell: Annotated[
        str, typer.Argument(help="A cell id: scenario/format/writer/reader.", autocompletion=completion.cells)
    ],
    reference: RunOption = "latest",
    project: ProjectOption = Path(),
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder to write.", show_default="reproduce/CELL")
    ] = None,
) -> None:
    """Write a bug report for upstream: two plain scripts, both sides' pinned requirements, and the commands.

    Example: `tfmatrix reproduce lstm/h5/2.15.1/2.21.0 -o report`
    """
    from tfmatrix.commands.reproduce import reproduce as write_report
    from tfmatrix.core.ids import CellId
    from tfmatrix.store.runs import read_run

    opened = open_project(project)
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
        output=project / (output or Path("reproduce", *cell.split("/"))),
        environments=opened.config.environments,
        formats=opened.formats,
    )
    typer.echo(str(folder))
