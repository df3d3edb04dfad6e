"""The commands about environments: lock, and env list, build, sbom, prune."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from tfmatrix.cli.app import app, env_app
from tfmatrix.cli.options import (
    ExecutorOption,
    JsonOption,
    OfflineOption,
    OutputOption,
    ProjectOption,
    QuietOption,
    SetOption,
    echo_answer,
    open_project,
    write,
)
from tfmatrix.core.errors import UsageError

MOST_SHOWN = 2
"""Of the projects that ask for an environment, those that a table names; --json names all."""


@app.command()
def lock(
    environments: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Environments.")] = None,
    project: ProjectOption = Path(),
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is stale: exit code 2. With --upgrade: what would be new.")
    ] = False,
    upgrade: Annotated[
        bool,
        typer.Option("--upgrade", help="Renew selectors and environments as of today; say what is new."),
    ] = False,
    offline: OfflineOption = False,
) -> None:
    """Resolve selectors and pin environments: `locks/selected.json`, and `locks/ID.txt` with hashes.

    An ID is that of an environment or a selector of matrix.yaml. Without any: all that has no lock; with `--upgrade`
    all that moves with time. Examples: `tfmatrix lock` · `tfmatrix lock 2.16.2@today` ·
    `tfmatrix lock --upgrade nightly rc` · `tfmatrix lock --check`
    """
    from tfmatrix.commands.lock import lock_environments

    opened = open_project(project)
    for line in lock_environments(opened, environments or [], check=check, upgrade=upgrade, offline=offline):
        typer.echo(line)


@env_app.command("list")
def env_list(
    project: ProjectOption = Path(),
    set_name: SetOption = None,
    brief: Annotated[bool, typer.Option("--brief", help="Only versions and locks: the cache is not measured.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List the environments: those of matrix.yaml, and what the cache has for other projects.

    With size, last use, the projects that ask for each, and its folder.

    Examples: `tfmatrix env list` · `tfmatrix env list --set quick --brief --json`
    """
    from tfmatrix.commands.environments import describe_environments

    rows = describe_environments(open_project(project), set_name=set_name, brief=brief)
    if as_json:
        echo_answer("env-list", rows)
        return
    from tabulate import tabulate

    shown = [{name.replace("_", " "): _in_a_table(value) for name, value in row.items()} for row in rows]
    # Without disable_numparse Python 3.10 would be shown as 3.1.
    typer.echo(
        tabulate(
            shown, headers="keys", disable_numparse=True, colalign=("left",) * 5 if brief else (*("left",) * 6, "right")
        )
    )


def _in_a_table(value: object) -> object:
    if not isinstance(value, list):
        return value
    return ", ".join(map(str, value[:MOST_SHOWN])) + (
        f" and {len(value) - MOST_SHOWN} more" if len(value) > MOST_SHOWN else ""
    )


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
    from tfmatrix.commands.environments import build_environments

    code = build_environments(
        open_project(project), environments or [], executor=executor, offline=offline, quiet=quiet
    )
    raise typer.Exit(int(code))


@env_app.command("sbom")
def env_sbom(
    environment: Annotated[str, typer.Argument(metavar="ID", help="An environment with a lock.")],
    project: ProjectOption = Path(),
    output: OutputOption = None,
) -> None:
    """Print what an environment consists of, as a CycloneDX document in JSON (a software bill of materials).

    Example: `tfmatrix env sbom 2.16.2 -o 2.16.2.cdx.json`
    """
    from tfmatrix.commands.sbom import sbom

    # Its schema is CycloneDX's own.
    write(json.dumps(sbom(open_project(project), environment), indent=1) + "\n", output)


@env_app.command("prune")
def env_prune(
    project: ProjectOption = Path(),
    unused_days: Annotated[
        int | None,
        typer.Option("--unused-for", metavar="DAYS", min=0, help="Not used for so long.", show_default="30"),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what projects still ask for, used today or not.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove provided environments that nobody has used for a month and that no project has a lock for.

    The cache is shared by all your projects. What is in use now always stays.

    Examples: `tfmatrix env prune` · `tfmatrix env prune --unused-for 7 --yes`
    """
    from tfmatrix.commands.environments import plan_pruning, prune_environments

    pruning = plan_pruning(open_project(project), unused_days=unused_days, everything=everything)
    if not pruning.environments:
        typer.echo(f"nothing to remove: {pruning.kept} environments are used or asked for")
        return
    from tabulate import tabulate

    typer.echo(tabulate(pruning.rows(), headers="keys", disable_numparse=True))
    count = f"{len(pruning.environments)} environments, {pruning.freed_bytes / 1e6:.0f} MB"
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"{count} could be removed, and there is nobody to ask", fix="tfmatrix env prune --yes")
        if not typer.confirm(f"remove {count}? {pruning.kept} stay", err=True):
            typer.echo("nothing was removed")
            return
    pruned = prune_environments(pruning)
    typer.echo(f"removed {len(pruned.keys)} environments, {pruned.freed_bytes / 1e6:.0f} MB freed")
