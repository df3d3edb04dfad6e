"""GitHub Flavored Markdown."""

from __future__ import annotations

from tfmatrix.reports import markdown, run_report
from tfmatrix.store.runs import Run

NAME = "md"


def render(run: Run, *, detail: bool, width: int, colour: bool) -> str:  # noqa: ARG001
    """See `tfmatrix.reports.export`."""
    return markdown.render(run_report.build(run, detail=detail))
