"""Plain text within `width` columns; `colour` lays ANSI colours over it."""

from __future__ import annotations

from tfmatrix.reports import run_report, terminal
from tfmatrix.store.runs import Run

NAME = "table"


def render(run: Run, *, detail: bool, width: int, colour: bool) -> str:
    """See `tfmatrix.reports.export`."""
    return terminal.render(run_report.build(run, detail=detail), width=width, colour=colour)
