"""The command inspect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfmatrix.cli.app import app
from tfmatrix.cli.options import JsonOption, ProjectOption, below, echo_answer, open_project


@app.command()
def inspect(
    model: Annotated[Path, typer.Argument(metavar="FILE", help="A model file, or a SavedModel folder.")],
    as_json: JsonOption = False,
    project: ProjectOption = Path(),
) -> None:
    """Tell what a model file is, who wrote it, and what it holds; without TensorFlow, and nothing of it is run.

    Examples: `tfmatrix inspect model.h5` · `tfmatrix inspect saved/ --json`
    """
    from tfmatrix.commands.inspect import inspect_file

    found = inspect_file(open_project(project), below(project, model))
    if as_json:
        echo_answer("inspect", found.to_json())
    else:
        typer.echo(found.to_text(), nl=False)
