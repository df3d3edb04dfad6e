"""The command line's root: what `tfmatrix` itself says and takes. Commands register themselves here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.core import TyperGroup

from tfmatrix.core.version import __version__

FIRST = ("upgrade", "check", "migrate")
"""What most people come for stands first in `--help`; the others as they are registered."""


class Root(TyperGroup):
    """The list of commands: in the order of their use, each with its whole first sentence."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names as `--help` shows them."""
        return sorted(super().list_commands(ctx), key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command whose options are read as ours are."""
        command: Any = super().get_command(ctx, cmd_name)
        if command is not None:
            own = command.get_params
            command.get_params = lambda context: _read_simply(own(context))
        return command

    def get_params(self, ctx: Any) -> list[Any]:
        """The options of `tfmatrix` itself."""
        return _read_simply(super().get_params(ctx))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Nothing is cut: a sentence that does not fit is wrapped."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, _first_sentence(command.help or "")) for name, command in commands if command])


def _read_simply(options: list[Any]) -> list[Any]:
    """The options, of which texts, paths and flags are taken as they stand.

    Newer releases of typer read them with pydantic, whose import would be half of the time of a short command.
    """
    for option in options:
        kind = getattr(getattr(option, "type_descriptor", None), "annotation", None)
        is_list = get_origin(kind) is list
        kind = get_args(kind)[0] if is_list else kind
        if kind in (str, Path):
            option.get_runtime_param = _AsItStands(kind, is_list=is_list)
        elif kind is bool and option.default is None and not option.expose_value:
            option.default = False  # typer's own, such as --help
    return options


class _AsItStands:
    """Reads an option that is a text or a path, or several."""

    def __init__(self, kind: type, *, is_list: bool) -> None:
        self._kind, self._is_list = kind, is_list

    def __call__(self) -> _AsItStands:
        return self

    def coerce(self, value: Any, **_context: Any) -> Any:
        """The value as the command takes it."""
        if self._is_list:
            return [self._kind(each) for each in value or ()]
        return None if value is None else self._kind(value)


def _first_sentence(text: str) -> str:
    head = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.?!])\s(?=[A-Z])", head)[0]


app = typer.Typer(
    cls=Root,
    name="tfmatrix",
    help="Cross-version compatibility matrix for TensorFlow: what is lost when a model saved in one version is loaded "
    "in another, with or without an error.",
    epilog="Exit codes: 0 as expected · 1 an unexpected incompatibility · 2 usage or configuration · "
    "3 nothing selected · 4 infrastructure · 130 interrupted.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
env_app = typer.Typer(no_args_is_help=True, help="Provided environments: list, build, sbom, prune.")
app.add_typer(env_app, name="env")
store_app = typer.Typer(no_args_is_help=True, help="What has been measured: verify it.")
app.add_typer(store_app, name="store")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tfmatrix {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    _debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
) -> None:
    pass
