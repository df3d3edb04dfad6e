"""The commands around a run: plan, run, clean, schema."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tfmatrix.cli.app import app
from tfmatrix.cli.options import (
    EngineOption,
    EngineOptionsOption,
    ExecutorOption,
    FormatsOption,
    JobsOption,
    JsonOption,
    KnownOption,
    OfflineOption,
    OnlyOption,
    OutputOption,
    ProjectOption,
    QuietOption,
    ReaderOption,
    ScenarioOption,
    SetOption,
    StoreOption,
    WorkersOption,
    WriterOption,
    echo_answer,
    engine_options_of,
    new_below,
    open_project,
    say,
    selector_of,
    write,
)
from tfmatrix.core.errors import ExitCode, UsageError
from tfmatrix.engine.phase import Phase

if TYPE_CHECKING:
    from tfmatrix.core.selection import Selector
    from tfmatrix.project.project import Project

DEFAULT_SET = "default"
"""The set of matrix.yaml that a bare `tfmatrix run` takes."""


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
    workers: WorkersOption = None,
    price: Annotated[
        float | None, typer.Option("--price", min=0, help="Of a worker's hour: what all of them cost.")
    ] = None,
    job_matrix: Annotated[
        float | None,
        typer.Option("--job-matrix", metavar="MINUTES", min=1, help="Only a GitHub job's matrix of shards, as JSON."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a run would do: environments, scenarios, formats, saves, loads, and what of it the store lacks.

    With --workers also what it takes on so many workers of an engine. Starts nothing.

    Examples: `tfmatrix plan --set nightly` · `tfmatrix plan --set quick --cells --reader 2.21.0` ·
    `tfmatrix plan --set nightly --workers 8 --price 0.05`
    """
    from tfmatrix.engine.run import plan_project

    selector = selector_of(only, writer, reader, scenario, formats)
    opened = open_project(project)
    planned = plan_project(opened, set_name, selector)
    for missed in planned.unmatched:
        say(f"warning: {missed}")
    if cells and not as_json:
        for cell in planned.cells():
            typer.echo(str(cell))
        return
    from tfmatrix.engine.estimate import expected

    lacking, estimate = expected(opened, planned)
    if job_matrix is not None:
        from tfmatrix.engine.shards import job_matrix as matrix_of

        typer.echo(json.dumps(matrix_of(len(planned.environments), estimate.seconds, job_matrix)))
        return
    costs = None
    if workers is not None:
        from tfmatrix.engine.costs import cost
        from tfmatrix.engine.estimate import Past
        from tfmatrix.store.runs import newest_headers

        past = Past(newest_headers(opened.results))
        costs = cost(planned, lacking.saves, list(lacking.cells()), past, workers=workers, per_hour=price)
    if as_json:
        echo_answer(
            "plan",
            {
                "counts": planned.counts(),
                "environments": [environment.id for environment in planned.environments],
                "scenarios": [each.name for each in planned.scenarios],
                "formats": list(planned.formats),
                "saves": [str(save) for save in planned.saves],
                "cells": [str(cell) for cell in planned.cells()],
                "unsupported": {
                    str(cell): reason for cell in planned.cells() if (reason := planned.reason(cell)) is not None
                },
                "missing": {
                    "saves": [str(save) for save in lacking.saves],
                    "cells": [str(cell) for cell in lacking.cells()],
                    "executor": lacking.executor,
                },
                "estimate": estimate.to_json(),
                "cost": None if costs is None else costs.to_json(),
            },
        )
    else:
        for name, count in planned.counts().items():
            typer.echo(f"{name:<12} {count:>7}")
        typer.echo(f"\nenvironments  {', '.join(environment.id for environment in planned.environments)}")
        typer.echo(f"scenarios     {', '.join(each.name for each in planned.scenarios)}")
        typer.echo(f"formats       {', '.join(planned.formats)}")
        known = f" as {lacking.executor} measures" if lacking.executor else ""
        typer.echo(
            f"\nto measure    {len(lacking.saves)} of {len(planned.saves)} saves, "
            f"{lacking.loads} of {planned.counts()['loads']} loads: the store has the rest{known}"
        )
        typer.echo(f"estimate      {estimate}")
        if costs is not None:
            typer.echo(f"on an engine  {costs}")


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
    jobs: JobsOption = None,
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
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="NUMBER/COUNT",
            help="Only this part, split by scenario and writer: every artifact is saved in one shard. `publish` joins.",
        ),
    ] = None,
    shard_group: Annotated[
        str | None,
        typer.Option(
            "--shard-group",
            metavar="NAME",
            help="What the shards of one run have in common.",
            show_default="GITHUB_RUN_ID or today, and a digest of the selection",
        ),
    ] = None,
    known: KnownOption = None,
    engine: EngineOption = None,
    store: StoreOption = None,
    workers: WorkersOption = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Of engine dask: tcp://HOST:PORT.")
    ] = None,
    engine_options: EngineOptionsOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Also what takes over an hour, without asking.")] = False,
    quiet: QuietOption = False,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save, load and judge; print the table; write `results/`. What is in the store is not measured again.

    Without any selection it is the set `default` of matrix.yaml, where there is one. What would take over an hour is
    said first: a terminal asks, everything else wants --yes.

    Examples: `tfmatrix run --set quick` · `tfmatrix run --scenario lstm --format keras` ·
    `tfmatrix run --only 'optimizer_state/h5/*/2.21.0'` · `tfmatrix run --only @cells.txt` ·
    `tfmatrix run --set nightly --shard 1/4` · `tfmatrix run --known results/published/nightly` ·
    `tfmatrix run --engine dask --scheduler tcp://10.0.0.1:8786 --store s3://bucket/tfmatrix`
    """
    from tfmatrix.engine.run import RunOptions, run_project
    from tfmatrix.reports.render import render
    from tfmatrix.reports.render import write as write_at_once

    opened = open_project(project)
    selector = selector_of(only, writer, reader, scenario, formats)
    if set_name is None and not selector and DEFAULT_SET in opened.config.sets:
        set_name = DEFAULT_SET
    if phase is Phase.ALL and not yes:
        _ask_for_what_takes_long(opened, set_name, selector, jobs)
    finished, code = run_project(
        opened,
        set_name=set_name,
        selector=selector,
        options=RunOptions(
            phase=phase,
            executor=executor,
            jobs=jobs,
            offline=offline,
            isolated=isolated,
            remedies=remedies,
            strict=strict,
            quiet=quiet,
            shard=shard,
            shard_group=shard_group,
            known=known,
            engine=engine,
            store=store,
            workers=workers,
            engine_options=engine_options_of(engine_options, scheduler),
        ),
    )
    if accept and code is ExitCode.INCOMPATIBLE:
        from tfmatrix.commands.accept import add_entries, proposals

        file = opened.root / "known_failures.yaml"
        added = add_entries(file, proposals(finished, date.today()))
        say(f"{added} entries proposed in {file}: review them, and say so under `reviewed` of each")
        code = ExitCode.OK
    fmt = "json" if as_json else "table"
    if output is None:
        write_at_once(finished, fmt, sys.stdout)
    else:
        write(render(finished, fmt), new_below(project, output))
    raise typer.Exit(int(code))


def _ask_for_what_takes_long(project: Project, set_name: str | None, selector: Selector, jobs: int | None) -> None:
    """Asks on a terminal whether to start what takes over an hour; UsageError elsewhere."""
    from tfmatrix.engine.estimate import LONG, expected, may_take_long
    from tfmatrix.engine.run import plan_project

    planned = plan_project(project, set_name, selector)
    if not may_take_long(planned):
        return
    _, estimate = expected(project, planned, jobs=jobs)
    if estimate.seconds <= LONG:
        return
    say(f"this would take long: {estimate}")
    if not sys.stdin.isatty():
        raise UsageError(
            "this run would take over an hour",
            expected="--yes, where nobody can be asked",
            fix="select less, such as --set quick, or say --yes",
        )
    typer.confirm("start it?", abort=True, err=True)


@app.command()
def clean(
    project: ProjectOption = Path(),
    store: Annotated[bool, typer.Option("--store", help="Also everything measured: the next run starts anew.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also what runs use that still go on.")] = False,
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep",
            metavar="SIZE",
            help="Prune the store, and environments that no project asks for, by last use until both take this.",
            show_default="all",
        ),
    ] = None,
) -> None:
    """Remove what interrupted runs left behind: containers, work folders, half-built environments.

    With --keep, what nothing needs any more goes too, what was used longest ago first: never what the newest run of a
    set, a run under results/published, or a run that goes on needs.

    Examples: `tfmatrix clean` · `tfmatrix clean --keep 20GB` · `tfmatrix clean --store`
    """
    from tfmatrix.commands.clean import clean_up, keep_within, parse_size

    opened = open_project(project)
    budget = None if keep is None else parse_size(keep)
    for line in clean_up(opened, store=store, force=force):
        typer.echo(line)
    if budget is not None:
        for line in keep_within(opened, budget):
            typer.echo(line)


@app.command()
def schema(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="Of what.", show_default="matrix, the schema of matrix.yaml")
    ] = "matrix",
    output: OutputOption = None,
) -> None:
    """Write the JSON Schema of matrix.yaml, for editors, or that of what a command prints with `--json`.

    NAME is that of the command, such as upgrade or env-list; one that there is not lists them all.
    Examples: `tfmatrix schema -o matrix.schema.json` · `tfmatrix schema upgrade`
    """
    if name == "matrix":
        from tfmatrix.project.config import schema_text

        text = schema_text()
    else:
        from tfmatrix.cli.answers import answer_schema_text

        text = answer_schema_text(name)
    write(text, output)
