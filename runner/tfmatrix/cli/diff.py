"""The command that compares two runs: diff."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tfmatrix.cli import completion
from tfmatrix.cli.app import app
from tfmatrix.cli.options import (
    FormatsOption,
    JsonOption,
    OldFormatsOption,
    OnlyOption,
    OutputOption,
    ProjectOption,
    ReaderOption,
    ScenarioOption,
    WriterOption,
    formats_and_style,
    new_below,
    open_project,
    selector_of,
    write,
)
from tfmatrix.core.choices import DocumentFormat
from tfmatrix.core.errors import UsageError


@app.command()
def diff(
    before: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="A run's id, latest, previous, a folder, or a published matrix.json (a file or https://…).",
            autocompletion=completion.runs,
        ),
    ] = "previous",
    after: Annotated[
        str,
        typer.Argument(metavar="B", help="The same, of the newer run.", autocompletion=completion.runs),
    ] = "latest",
    project: ProjectOption = Path(),
    only: OnlyOption = None,
    writer: WriterOption = None,
    reader: ReaderOption = None,
    scenario: ScenarioOption = None,
    formats: FormatsOption = None,
    older_formats: OldFormatsOption = None,
    style: Annotated[
        DocumentFormat | None, typer.Option("--as", help="How; md is short, for a message.", show_default="text")
    ] = None,
    site: Annotated[
        str, typer.Option("--site", metavar="URL", help="Address of the published site, for the links of md.")
    ] = "",
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs cell by cell: worse, better, other causes, drift that grew, warnings, and what else differs.

    Exit code 1 only where something got worse that known_failures.yaml does not list; 4 where it was measured and now
    cannot be.

    Examples: `tfmatrix diff` · `tfmatrix diff previous latest --as md --site https://example.org/matrix` ·
    `tfmatrix diff https://example.org/matrix/matrix.json latest --scenario lstm`
    """
    from tfmatrix.analysis.diff.compared import diff as compared
    from tfmatrix.analysis.diff.source import read_source
    from tfmatrix.reports.diff import WIDTH, render

    results = open_project(project).results
    globs, style = formats_and_style(formats, older_formats, style, DocumentFormat.TEXT)
    selector = selector_of(only, writer, reader, scenario, globs)
    first, second = read_source(results, before), read_source(results, after)
    if first.past.id == second.past.id and first.published == second.published:
        raise UsageError(
            f"{before} and {after} are the same run, {first.past.id}",
            expected="two runs",
            fix="`tfmatrix diff previous latest` compares the newest with the one before it",
        )
    found = compared(first, second, selector)
    fmt = DocumentFormat.JSON if as_json else style
    output = new_below(project, output)
    colour = output is None and sys.stdout.isatty()
    write(render(found, fmt, width=WIDTH, colour=colour, site=site), output)
    raise typer.Exit(int(found.exit_code))
