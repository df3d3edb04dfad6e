"""A run as text, in one of the forms of `tfmatrix.reports.export`. Same run, same bytes."""

from __future__ import annotations

import os
import shutil
from typing import TextIO

from tfmatrix.core.errors import UsageError
from tfmatrix.reports.export import DEFAULT, form
from tfmatrix.store.runs import Run

DEFAULT_WIDTH = 100


def render(
    run: Run, name: str = DEFAULT, *, detail: bool = True, width: int = DEFAULT_WIDTH, colour: bool = False
) -> str:
    """The report of a run. Raises UsageError where there is no such form, or where it is a folder."""
    chosen = form(name)
    if not hasattr(chosen, "render"):
        raise UsageError(
            f"{name} is written as a folder", expected="-o DIR", fix=f"tfmatrix report --format {name} -o {name}"
        )
    text: str = chosen.render(run, detail=detail, width=width, colour=colour)
    return text


def write(run: Run, name: str, stream: TextIO, *, detail: bool = True) -> None:
    """Renders for a stream: in its width and with colour where it is a terminal, plain everywhere else.

    Characters that the stream cannot encode are written as escapes.
    """
    terminal = stream.isatty()
    text = render(
        run,
        name,
        detail=detail,
        width=shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns if terminal else DEFAULT_WIDTH,
        # https://no-color.org: any value but the empty one.
        colour=terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
    )
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
