"""The commands of a project as a whole: init, new-scenario, doctor, nightly."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tfmatrix.cli import completion
from tfmatrix.cli.app import app
from tfmatrix.cli.options import (
    ExecutorOption,
    JobsOption,
    JsonOption,
    KnownOption,
    OfflineOption,
    ProjectOption,
    below,
    echo_answer,
    open_project,
    say,
)
from tfmatrix.core.choices import ScenarioKind


@app.command()
def init(
    project: ProjectOption = Path(),
    before: Annotated[
        str,
        typer.Option("--from", metavar="VERSION", help="Version or selector.", show_default="what the folder pins"),
    ] = "",
    after: Annotated[
        str, typer.Option("--to", metavar="VERSION", help="Version or selector.", show_default="the newest")
    ] = "",
    action: Annotated[
        str,
        typer.Option(
            "--action", metavar="OWNER/REPO@REF", help="The workflow uses this action.", show_default="pip install"
        ),
    ] = "",
    offline: OfflineOption = False,
) -> None:
    """Make the folder a project: matrix.yaml, a sample scenario, a workflow for pull requests. Writes nothing over.

    Examples: `tfmatrix init` · `tfmatrix init -C service --from 2.15.1 --to 2.21`
    """
    from tfmatrix.envs.releases import Index
    from tfmatrix.project.init import initialise
    from tfmatrix.project.network import make_uv

    uv = make_uv(offline=offline)
    created = initialise(project.resolve(), Index.of(uv), uv, before=before, after=after, action=action)
    for note in created.notes:
        say(note)
    for path in created.files:
        typer.echo(str(path))
    say("\nNext:")
    for command in created.next_commands:
        say(f"  {command}")


@app.command()
def doctor(
    project: ProjectOption = Path(),
    offline: OfflineOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what a run needs and this machine has: engine, index, interpreters, CPU, disk, memory, caches.

    Exit code 0 where a run can work, with containers or without; else 4.
    Examples: `tfmatrix doctor` · `tfmatrix doctor --offline` · `tfmatrix doctor --json`
    """
    from tfmatrix.commands.doctor import examine, report, to_json

    examined = examine(project.resolve(), offline=offline)
    if as_json:
        echo_answer("doctor", to_json(examined))
    else:
        report(examined)
    raise typer.Exit(int(examined.exit_code))


@app.command("new-scenario")
def new_scenario(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The file will be scenarios/NAME.py.", show_default=False)
    ],
    kind: Annotated[ScenarioKind, typer.Option("--kind", help="What it builds.")] = ScenarioKind.FUNCTIONAL,
    target: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="MODULE:FUNCTION|MODEL",
            help="Of the model that this function of yours builds, or of a saved one: .keras, .h5, SavedModel.",
            show_default="a sample",
        ),
    ] = "",
    project: ProjectOption = Path(),
) -> None:
    """Write a scenario that runs as it is, with comments on what to change. Writes over nothing.

    Examples: `tfmatrix new-scenario tanh_dense` · `tfmatrix new-scenario two_towers --kind subclassed -C service` ·
    `tfmatrix new-scenario ranker --from app.models:build_model` · `tfmatrix new-scenario served --from model.keras`
    """
    from tfmatrix.project.new_scenario import write_new_scenario, write_scenario_of, write_scenario_of_file

    opened = open_project(project)
    saved = below(project, Path(target))
    if target and saved.exists():
        file = write_scenario_of_file(opened.scenario_folder, name, saved)
        say("load_model runs what lies in the file: only with files that you trust")
    elif target:
        file = write_scenario_of(opened.scenario_folder, name, target, opened.source_folders)
    else:
        file = write_new_scenario(opened.scenario_folder, name, kind)
    typer.echo(str(file))
    say("\nNext: change build_model and inputs, then")
    say(f"  tfmatrix run --scenario {name}")


@app.command()
def nightly(
    project: ProjectOption = Path(),
    set_name: Annotated[
        str | None,
        typer.Option(
            "--set",
            help="Named selection of matrix.yaml.",
            show_default="nightly where there is one, else everything",
            autocompletion=completion.sets,
        ),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the site.")] = Path("results/site"),
    run: Annotated[
        bool, typer.Option("--run/--no-run", help="Whether shards ran elsewhere and are only joined.")
    ] = True,
    refreshed: Annotated[
        bool | None,
        typer.Option(
            "--refreshed/--refresh-failed",
            help="The pins were renewed elsewhere, or could not be.",
            show_default="renew here",
        ),
    ] = None,
    summary: Annotated[
        Path | None,
        typer.Option("--summary", envvar="GITHUB_STEP_SUMMARY", help="File that gets the news, as Markdown."),
    ] = None,
    site: Annotated[str, typer.Option("--site", metavar="URL", help="Address of the published site, for links.")] = "",
    executor: ExecutorOption = None,
    jobs: JobsOption = None,
    known: KnownOption = None,
) -> None:
    """Renew the nightly pins, run, publish, and compare with the night before.

    Exit code 1 for news only: what got worse since the last run of the set. 4 where something could not be renewed,
    measured or published, and there is no news.
    Examples: `tfmatrix nightly` · `tfmatrix nightly --set quick` · `tfmatrix nightly --no-run --refreshed` ·
    `tfmatrix nightly --known results/published/nightly`
    """
    from tfmatrix.commands.nightly import NightOptions, night

    options = NightOptions(
        set_name=set_name,
        output=project / output,
        refreshed=refreshed,
        run=run,
        executor=executor,
        jobs=jobs,
        known=known,
        site=site,
    )
    found = night(open_project(project), options)
    typer.echo(found.news, nl=False)
    for line in [*found.renewed, found.note]:
        if line:
            say(line)
    if summary is not None:
        found.append_news(summary)
    for problem in found.problems:
        say(f"warning: {problem}")
    raise typer.Exit(int(found.exit_code))
