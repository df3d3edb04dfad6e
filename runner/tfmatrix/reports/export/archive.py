"""A folder to commit: the overview and the tables as Markdown, run.json, and the records, compressed."""

from __future__ import annotations

from pathlib import Path

from tfmatrix.reports.render import render as as_text
from tfmatrix.store.content import write_atomically
from tfmatrix.store.runs import Run, archive_run

NAME = "archive"


def write(run: Run, results: Path, folder: Path) -> Path:  # noqa: ARG001
    """README.md (without the scenarios: hosts cut long pages), tables.md (with them), and what `archive_run` writes."""
    archive_run(run, folder)
    write_atomically(folder / "tables.md", as_text(run, "md"))
    readme = folder / "README.md"
    summary = as_text(run, "md", detail=False)
    write_atomically(readme, f"{summary}\nEvery scenario, cell by cell: [tables.md](tables.md).\n")
    return readme
