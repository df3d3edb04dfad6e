"""The command check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfmatrix.cli.app import app
from tfmatrix.cli.options import (
    ExecutorOption,
    JsonOption,
    OfflineOption,
    ProjectOption,
    QuietOption,
    TrustOption,
    echo_json,
    open_project,
)
from tfmatrix.core.answer_formats import AnswerFormat


@app.command()
def check(
    model: Annotated[Path, typer.Argument(help="A .h5, .keras or .tflite file, a SavedModel folder, a checkpoint.")],
    readers: Annotated[
        str,
        typer.Option(
            "--readers", metavar="LIST", help="Who is to read it: ids of matrix.yaml, versions, selectors; by commas."
        ),
    ] = "latest",
    saved_with: Annotated[
        str | None,
        typer.Option(
            "--saved-with", metavar="VERSION", help="The TensorFlow that saved it.", show_default="as the file says"
        ),
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option("--inputs", metavar="FILE.npz", help="An array for each input.", show_default="generated"),
    ] = None,
    custom_objects: Annotated[
        Path | None,
        typer.Option(
            "--custom-objects",
            metavar="FILE.py",
            help="The model's own classes: registered, or in what its custom_objects() returns.",
        ),
    ] = None,
    builder: Annotated[
        str | None,
        typer.Option("--builder", metavar="FILE.py:FUNCTION", help="Builds the model that weights belong to."),
    ] = None,
    check_format: Annotated[AnswerFormat, typer.Option("--format", help="How.")] = AnswerFormat.TEXT,
    as_json: JsonOption = False,
    executor: ExecutorOption = None,
    trust_model: TrustOption = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Jobs at once.", show_default="matrix.yaml")] = None,
    remedies: Annotated[bool, typer.Option(help="Try the documented workarounds on what fails.")] = True,
    offline: OfflineOption = False,
    quiet: QuietOption = False,
    project: ProjectOption = Path(),
) -> None:
    """Check a saved model, given as a file, without its code: what do other versions read back?

    The version that saved it loads it for the reference; every reader is compared with that. The file is only read.

    Examples: `tfmatrix check model.h5 --readers 2.15.1,2.16.2,latest` ·
    `tfmatrix check saved/ --readers 2.x --inputs batch.npz` ·
    `tfmatrix check ckpt-7 --builder model.py:build --saved-with 2.10.1 --readers latest`
    """
    from tfmatrix.commands.check.report import to_json, to_text
    from tfmatrix.commands.check.result import check_file
    from tfmatrix.engine.run import RunOptions

    result = check_file(
        open_project(project),
        model,
        [text.strip() for text in readers.split(",") if text.strip()],
        saved_with=saved_with,
        inputs=inputs,
        custom_objects=custom_objects,
        builder=builder,
        options=RunOptions(
            executor=executor, jobs=jobs, offline=offline, remedies=remedies, quiet=quiet, trust_model=trust_model
        ),
    )
    if as_json:
        echo_json(to_json(result))
    else:
        typer.echo(to_text(result, markdown=check_format is AnswerFormat.MD), nl=False)
    raise typer.Exit(int(result.exit_code))
