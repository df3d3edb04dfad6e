"""The command migrate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfmatrix.cli.app import app
from tfmatrix.cli.options import (
    CustomObjectsOption,
    ExecutorOption,
    InputsOption,
    JobsOption,
    JsonOption,
    OfflineOption,
    ProjectOption,
    QuietOption,
    SavedWithOption,
    TrustOption,
    below,
    echo_answer,
    open_project,
)
from tfmatrix.core.errors import UsageError


@app.command()
def migrate(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE…", help="Models: .h5, .keras, SavedModel folders; globs, folders of them."),
    ] = None,
    to: Annotated[str, typer.Option("--to", metavar="VERSION", help="Who is to read the new files.")] = "latest",
    model_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="keras|h5|savedmodel",
            help="What the new files are; by default .keras, or a SavedModel where only that is the same.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where they go.")] = Path("migrated"),
    saved_with: SavedWithOption = None,
    custom_objects: CustomObjectsOption = None,
    inputs: InputsOption = None,
    tf_keras: Annotated[bool, typer.Option(help="Try tf-keras in the new TensorFlow on what fails.")] = True,
    verify: Annotated[
        Path | None, typer.Option("--verify", metavar="NAME", help="Repeat the proof of a result.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV on stdout, a line for each file.")] = False,
    executor: ExecutorOption = None,
    trust_model: TrustOption = False,
    jobs: JobsOption = None,
    offline: OfflineOption = False,
    quiet: QuietOption = False,
    project: ProjectOption = Path(),
) -> None:
    """Make files that another version reads, and prove that each is the same model.

    Only what a fresh process of the new version loads, and what equals the old model in every check, is handed over.

    Examples: `tfmatrix migrate model.h5 --to 2.21.0` · `tfmatrix migrate models/ --to latest -o new --csv` ·
    `tfmatrix migrate new.keras --saved-with 2.21.0 --to 2.15.1` · `tfmatrix migrate --verify migrated/model.keras`
    """
    from tfmatrix.commands.migrate.command import MigrateOptions, migrate_project
    from tfmatrix.commands.migrate.report import to_csv, to_json, to_text
    from tfmatrix.engine.run import RunOptions

    options = RunOptions(executor=executor, jobs=jobs, offline=offline, quiet=quiet, trust_model=trust_model)
    files = [str(below(project, Path(each))) for each in files or ()]
    inputs, custom_objects = inputs and below(project, inputs), custom_objects and below(project, custom_objects)
    if verify is not None:
        from tfmatrix.commands.migrate.report import verified_json, verified_text
        from tfmatrix.commands.migrate.verify import verify as repeat

        verify = below(project, verify)
        if len(files) > 1:
            raise UsageError("--verify repeats one proof", fix="name one result; before it, the old file if it moved")
        old = Path(files[0]) if files else None
        found = repeat(open_project(project), verify, options, old=old, inputs=inputs, custom_objects=custom_objects)
        if as_json:
            echo_answer("migrate", verified_json(found))
        else:
            typer.echo(verified_text(found), nl=False)
        raise typer.Exit(int(found.exit_code))
    if not files:
        raise UsageError("migrate names no file", fix="such as tfmatrix migrate model.h5 --to latest")
    wanted = MigrateOptions(
        to=to,
        format=model_format,
        output=project / output,
        saved_with=saved_with,
        custom_objects=custom_objects,
        inputs=inputs,
        tf_keras=tf_keras,
    )
    result = migrate_project(open_project(project), files, wanted, options)
    if as_json:
        echo_answer("migrate", to_json(result))
    else:
        typer.echo(to_csv(result) if as_csv else to_text(result), nl=False)
    raise typer.Exit(int(result.exit_code))
