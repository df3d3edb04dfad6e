"""The command check."""

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
    LoaderOption,
    OfflineOption,
    OutputOption,
    ProjectOption,
    QuietOption,
    SavedWithOption,
    TrustOption,
    below,
    echo_answer,
    new_below,
    open_project,
    write,
)
from tfmatrix.core.choices import AnswerFormat, Threads


@app.command()
def check(
    model: Annotated[Path, typer.Argument(help="A .h5, .keras or .tflite file, a SavedModel folder, a checkpoint.")],
    readers: Annotated[
        str,
        typer.Option(
            "--readers", metavar="LIST", help="Who is to read it: ids of matrix.yaml, versions, selectors; by commas."
        ),
    ] = "latest",
    saved_with: SavedWithOption = None,
    inputs: InputsOption = None,
    custom_objects: CustomObjectsOption = None,
    builder: Annotated[
        str | None,
        typer.Option("--builder", metavar="FILE.py:FUNCTION", help="Builds the model that weights belong to."),
    ] = None,
    loader: LoaderOption = None,
    threads: Annotated[
        Threads, typer.Option("--threads", help="Threads of a worker: one, or as many as TensorFlow takes of itself.")
    ] = Threads.ONE,
    every: Annotated[bool, typer.Option("--all", help="MODEL is a folder: check every model in it.")] = False,
    check_format: Annotated[AnswerFormat, typer.Option("--format", help="How.")] = AnswerFormat.TEXT,
    as_json: JsonOption = False,
    executor: ExecutorOption = None,
    trust_model: TrustOption = False,
    jobs: JobsOption = None,
    remedies: Annotated[bool, typer.Option(help="Try the documented workarounds on what fails.")] = True,
    offline: OfflineOption = False,
    quiet: QuietOption = False,
    output: OutputOption = None,
    project: ProjectOption = Path(),
) -> None:
    """Check a saved model, given as a file, without its code: what do other versions read back?

    The version that saved it loads it for the reference; every reader is compared with that. The file is only read.

    Examples: `tfmatrix check model.h5 --readers 2.15.1,2.16.2,latest` ·
    `tfmatrix check saved/ --readers 2.x --inputs batch.npz` ·
    `tfmatrix check ckpt-7 --builder model.py:build --saved-with 2.10.1 --readers latest` ·
    `tfmatrix check models/ --all`
    """
    from tfmatrix.commands.check.report import refused, to_json, to_text
    from tfmatrix.commands.check.result import CheckResult, Refused, check_file, check_folder, exit_code_of
    from tfmatrix.engine.run import RunOptions

    opened = open_project(project)
    model, output = below(project, model), new_below(project, output)

    def one(path: Path) -> CheckResult:
        return check_file(
            opened,
            path,
            [text.strip() for text in readers.split(",") if text.strip()],
            saved_with=saved_with,
            inputs=inputs and below(project, inputs),
            custom_objects=custom_objects and below(project, custom_objects),
            builder=builder,
            loader=loader.value if loader is not None else None,
            own_threads=threads is Threads.DEFAULT,
            options=RunOptions(
                executor=executor, jobs=jobs, offline=offline, remedies=remedies, quiet=quiet, trust_model=trust_model
            ),
        )

    def told(result: CheckResult | Refused) -> str:
        text = (
            refused(result)
            if isinstance(result, Refused)
            else to_text(result, markdown=check_format is AnswerFormat.MD)
        )
        return f"{text}\n" if every else text

    results: list[CheckResult | Refused] = []
    for result in check_folder(model, one) if every else (one(model),):
        results.append(result)
        if output is None and not as_json:
            write(told(result))
    if as_json:
        found = [
            {"path": str(each.path), "error": str(each.error)} if isinstance(each, Refused) else to_json(each)
            for each in results
        ]
        echo_answer("check", {"schema": 1, "models": found} if every else found[0], output)
    elif output is not None:
        write("".join(map(told, results)), output)
    raise typer.Exit(int(exit_code_of(results)))
