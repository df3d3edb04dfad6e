"""What the commands share: options that several take, and how they open a project and print."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tfmatrix.cli import completion
from tfmatrix.core.errors import UsageError

if TYPE_CHECKING:
    from tfmatrix.core.selection import Selector
    from tfmatrix.project.project import Project

ProjectOption = Annotated[
    Path, typer.Option("-C", "--project", metavar="PROJECT", help="Folder with matrix.yaml.", show_default="here")
]
SetOption = Annotated[
    str | None,
    typer.Option(
        "--set",
        help="Named selection of matrix.yaml.",
        show_default="everything",
        autocompletion=completion.sets,
    ),
]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="GLOB|@FILE", help="Cell ids: scenario/format/writer/reader. Repeatable."),
]
WriterOption = Annotated[
    list[str] | None,
    typer.Option("--writer", metavar="GLOB", help="Environments that save.", autocompletion=completion.environments),
]
ReaderOption = Annotated[
    list[str] | None,
    typer.Option("--reader", metavar="GLOB", help="Environments that load.", autocompletion=completion.environments),
]
ScenarioOption = Annotated[
    list[str] | None,
    typer.Option("--scenario", metavar="GLOB", help="Names, or tag:NAME.", autocompletion=completion.scenarios),
]
FormatsOption = Annotated[
    list[str] | None, typer.Option("--format", metavar="GLOB", help="Formats.", autocompletion=completion.formats)
]
RunOption = Annotated[str, typer.Option("--run", metavar="RUN", help="Which run.", autocompletion=completion.runs)]
JobsOption = Annotated[int | None, typer.Option("--jobs", min=1, help="Jobs at once.", show_default="matrix.yaml")]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", help="File to write.", show_default="stdout")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
ExecutorOption = Annotated[
    str | None,
    typer.Option("--executor", metavar="auto|docker|venv", help="Overrides matrix.yaml.", show_default=False),
]
TrustOption = Annotated[
    bool, typer.Option("--trust-model", help="Load the file as you, where no container confines it (executor venv).")
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Ask no package index and no registry.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only warnings and the result.")]


def open_project(root: Path) -> Project:
    """The project in a folder; nothing is read yet."""
    from tfmatrix.project.project import Project

    return Project(root=root.resolve())


def selector_of(
    only: list[str] | None,
    writer: list[str] | None,
    reader: list[str] | None,
    scenario: list[str] | None,
    formats: list[str] | None,
) -> Selector:
    """What the selecting options ask for together."""
    from tfmatrix.core.selection import Selector

    return Selector.from_options(
        only=only or (), writer=writer or (), reader=reader or (), scenario=scenario or (), format=formats or ()
    )


def say(text: str) -> None:
    """A line of progress: to stderr."""
    print(text, file=sys.stderr)


def echo_json(data: Any, output: Path | None = None) -> None:
    """Data for a program: to stdout, or to a file."""
    write(json.dumps(data, indent=1) + "\n", output)


def write(text: str, output: Path | None = None) -> None:
    """An answer: to stdout, or whole to a file."""
    if output is None:
        typer.echo(text, nl=False)
        return
    from tfmatrix.store.content import write_atomically

    if not output.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {output.parent}", fix="make it first, or name another file")
    write_atomically(output, text)
