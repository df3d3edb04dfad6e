"""The command line in the process of a test, where what it asks can be replaced."""

from __future__ import annotations

import contextlib
import io
from typing import NamedTuple

from tfmatrix.cli import run_command


class Answer(NamedTuple):
    """What a command came to."""

    code: int
    stdout: str
    stderr: str


def tfmatrix(*arguments: str) -> Answer:
    """Runs a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_command(list(arguments))
    return Answer(code, out.getvalue(), err.getvalue())
