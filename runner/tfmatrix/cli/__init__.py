"""The command line: options in, functions called, exit codes out. stdout is data, stderr is progress and errors.

A module of commands registers them at `app` when it is imported: one of ALONE where the command line names it, else
all, in the order in which `--help` lists what they bring. Commands import what they call inside them: `tfmatrix --help`
must not wait for pandas or Docker.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import typer

from tfmatrix.cli.app import app
from tfmatrix.core.errors import ExitCode, TfmatrixError

__all__ = ["app", "load_commands", "main", "run_command"]

ALONE = ("bisect", "check", "diff", "inspect", "migrate", "store", "upgrade", "work")
"""Modules that are called as their command is."""
TOGETHER = ("environments", "matrix", "project", "reports")

_COMMAND_LINE_ERROR: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)
"""What typer raises for a wrong command line; which package it is in depends on typer's version."""


def main() -> NoReturn:
    """Entry point: runs the command, prints an error as the user should see it, exits with the documented code."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) != len(sys.argv) - 1
    # A CI cancels by SIGTERM: clean up as after Ctrl-C. Not by raising SIGINT, which a script's background jobs ignore.
    # The same for a terminal that is closed.
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    if not sys.stdout.isatty():
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Output(sys.stdout.fileno(), "w", closefd=False)),
            encoding=sys.stdout.encoding,
            errors=sys.stdout.errors,
        )
    try:
        code = run_command(arguments, debug=debug)
    except KeyboardInterrupt:
        code = int(ExitCode.INTERRUPTED)  # once more, while it was cleaning up
    if code == ExitCode.INTERRUPTED:
        # What is left are threads that a third Ctrl-C would break with a traceback; the next run sweeps.
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


class _Output(io.FileIO):
    """stdout, whose reader may go (`tfmatrix diff | head`): the command goes on to its exit code all the same."""

    def write(self, data: Any, /) -> int:
        """Writes, or drops what nobody reads any more."""
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            return len(memoryview(data).cast("B"))


def run_command(arguments: Sequence[str], *, debug: bool = False) -> int:
    """Runs one command line; returns its exit code. Errors go to stderr, with a traceback only for `debug`."""
    code = _run(arguments, debug)
    if code == ExitCode.INTERRUPTED:
        print("interrupted: what was finished is kept; the same command goes on from there", file=sys.stderr)
    return code


def load_commands(arguments: Sequence[str] = ()) -> None:
    """Registers the commands that a command line needs: one, where the first argument is the name of its module."""
    first = arguments[0] if arguments else ""
    for module in (first,) if first in ALONE else sorted((*ALONE, *TOGETHER)):
        import_module(f"tfmatrix.cli.{module}")


def _run(arguments: Sequence[str], debug: bool) -> int:
    load_commands(arguments)
    command = typer.main.get_command(app)
    try:
        code = command.main(args=list(arguments), prog_name="tfmatrix", standalone_mode=False)
        sys.stdout.flush()
        return int(code or ExitCode.OK)
    except typer.Exit as error:
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return int(ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001  (nobody is left to raise it to)
        if debug:
            import traceback

            traceback.print_exc()
        return _tell(error, debug)


def _tell(error: Exception, debug: bool) -> int:
    """Prints an error as the user should see it; returns its exit code."""
    from tfmatrix.core.text import printable

    if isinstance(error, TfmatrixError):
        # Names and messages of others stand in it: nothing of them may reach the terminal as a command.
        print(printable(f"error: {error}"), file=sys.stderr)
        return int(error.exit_code)
    if isinstance(error, _COMMAND_LINE_ERROR):
        error.show(file=sys.stderr)  # type: ignore[attr-defined]
        return int(ExitCode.USAGE)
    if not debug:
        import traceback

        place = traceback.extract_tb(error.__traceback__)[-1]
        print(
            f"error: tfmatrix itself failed: {type(error).__name__}: {printable(str(error))} "
            f"({Path(place.filename).name}:{place.lineno})\n"
            "  to fix:   run it again with --debug and report the traceback",
            file=sys.stderr,
        )
    return int(ExitCode.INFRASTRUCTURE)
