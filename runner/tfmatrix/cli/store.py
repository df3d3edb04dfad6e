"""The commands store …."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from tfmatrix.cli.app import store_app
from tfmatrix.cli.options import JsonOption, ProjectOption, echo_answer, open_project, say
from tfmatrix.core.errors import ExitCode


@store_app.command("verify")
def verify(project: ProjectOption = Path(), as_json: JsonOption = False) -> None:
    """Read everything that is stored and compare it with its digest; what is damaged is removed and measured again.

    Exit codes: 0 all is sound, 4 something was damaged.

    Examples: `tfmatrix store verify` · `tfmatrix store verify --json`
    """
    from tfmatrix.store.content import Store

    found = Store(open_project(project).store, say=say).verify()
    if as_json:
        echo_answer("store-verify", asdict(found))
    else:
        typer.echo(
            f"{found.folders} folders, {len(found.damaged_folders)} of them damaged; "
            f"{found.outcomes} outcomes, {len(found.damaged_outcomes)} of them damaged"
        )
    raise typer.Exit(int(ExitCode.OK if found.is_sound else ExitCode.INFRASTRUCTURE))
