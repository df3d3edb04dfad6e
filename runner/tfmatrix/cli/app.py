"""The command line's root: what `tfmatrix` itself says and takes. Commands register themselves here."""

from __future__ import annotations

from typing import Annotated

import typer

from tfmatrix.core.version import __version__

app = typer.Typer(
    name="tfmatrix",
    help="Cross-version compatibility matrix for TensorFlow: what is lost when a model saved in one version is loaded "
    "in another, with or without an error.",
    epilog="Exit codes: 0 as expected · 1 an unexpected incompatibility · 2 usage or configuration · "
    "3 nothing selected · 4 infrastructure · 130 interrupted.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
env_app = typer.Typer(no_args_is_help=True, help="Provided environments: list, build, prune.")
app.add_typer(env_app, name="env")


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
