"""What the commands share: options that several take, and how they open a project and print."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from tfmatrix.cli import completion
from tfmatrix.core.choices import Loader
from tfmatrix.core.errors import UsageError

if TYPE_CHECKING:
    from tfmatrix.core.selection import Selector
    from tfmatrix.project.project import Project

Style = TypeVar("Style", bound=StrEnum)

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
OldFormatsOption = Annotated[list[str] | None, typer.Option("--saved-as", "--of-format", hidden=True)]
"""What `--format GLOB` was called where `--format` said how the answer is written: `formats_and_style` reads both."""

RunOption = Annotated[str, typer.Option("--run", metavar="RUN", help="Which run.", autocompletion=completion.runs)]
JobsOption = Annotated[int | None, typer.Option("--jobs", min=1, help="Jobs at once.", show_default="matrix.yaml")]
KnownOption = Annotated[
    str | None,
    typer.Option(
        "--known",
        metavar="FOLDER|URL",
        help="An archived run: what it holds is not measured again, but for a sample and what it tried nothing on.",
        show_default="only the store",
    ),
]
OutputOption = Annotated[Path | None, typer.Option("-o", "--output", help="File to write.", show_default="stdout")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
ExecutorOption = Annotated[
    str | None,
    typer.Option("--executor", metavar="auto|docker|venv", help="Overrides matrix.yaml.", show_default=False),
]
TrustOption = Annotated[
    bool, typer.Option("--trust-model", help="Load the file as you, where no container confines it (executor venv).")
]
LoaderOption = Annotated[
    Loader | None,
    typer.Option("--loader", help="What production calls on a SavedModel.", show_default="each of them"),
]
SavedWithOption = Annotated[
    str | None,
    typer.Option(
        "--saved-with", metavar="VERSION", help="The TensorFlow that saved it.", show_default="as the file says"
    ),
]
InputsOption = Annotated[
    Path | None,
    typer.Option("--inputs", metavar="FILE.npz", help="An array for each input.", show_default="generated"),
]
CustomObjectsOption = Annotated[
    Path | None,
    typer.Option(
        "--custom-objects",
        metavar="FILE.py",
        help="The model's own classes: registered, or in what its custom_objects() returns.",
    ),
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Ask no package index and no registry.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only warnings and the result.")]

EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine", metavar="NAME", help="Measure on dask, slurm, github, …", show_default="this machine's workers"
    ),
]
StoreOption = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", help="What machines share: file:///FOLDER, s3://…, gs://…, az://…"),
]
WorkersOption = Annotated[int | None, typer.Option("--workers", min=1, help="Units of an engine at once.")]
EngineOptionsOption = Annotated[
    list[str] | None,
    typer.Option("--engine-option", metavar="NAME=VALUE", help="What only this engine knows. Repeatable."),
]


def engine_options_of(given: list[str] | None, scheduler: str | None = None) -> dict[str, str]:
    """The options of an engine. Raises UsageError for one without a value."""
    from tfmatrix.core.errors import UsageError

    found = {} if scheduler is None else {"scheduler": scheduler}
    for text in given or ():
        name, separator, value = text.partition("=")
        if not (name and separator):
            raise UsageError(f"--engine-option {text!r} has no value", expected="NAME=VALUE")
        found[name] = value
    return found


def open_project(root: Path) -> Project:
    """The project in a folder; nothing is read yet."""
    from tfmatrix.project.project import Project

    return Project(root=root.resolve())


def below(project: Path, path: Path) -> Path:
    """A path of the command line: `-C` is its base. What lies only where the command is typed is taken from there."""
    there = project / path
    return there if there.exists() or not path.exists() else path


def new_below(project: Path, path: Path | None) -> Path | None:
    """A file or folder that a command writes: `-C` is its base."""
    return None if path is None else project / path


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


def formats_and_style(
    formats: list[str] | None, older: list[str] | None, style: Style | None, default: Style
) -> tuple[list[str], Style]:
    """The globs on formats, and how the answer is written: `--as` says that, and `--format md` goes on saying it."""
    styles = {each.value: each for each in type(default)}
    globs = [text for text in formats or () if text not in styles]
    chosen = [styles[text] for text in formats or () if text in styles]
    return [*globs, *(older or ())], style or (chosen[-1] if chosen else default)


def say(text: str) -> None:
    """A line of progress: to stderr."""
    print(text, file=sys.stderr)


def echo_answer(name: str, answer: Any, output: Path | None = None) -> None:
    """An answer for a program, of the type that docs/schemas/NAME.json describes: to stdout, or to a file."""
    from tfmatrix.cli.answers import answer_json

    write(answer_json(name, answer), output)


def write(text: str, output: Path | None = None) -> None:
    """An answer: to stdout, or whole to a file."""
    if output is None:
        typer.echo(text, nl=False)
        return
    from tfmatrix.store.content import write_atomically

    if not output.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {output.parent}", fix="make it first, or name another file")
    write_atomically(output, text)
