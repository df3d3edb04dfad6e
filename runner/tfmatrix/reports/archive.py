"""A run as a folder to commit: its overview and its tables as Markdown, and the records, compressed."""

from __future__ import annotations

from pathlib import Path

from tfmatrix.core.answer_formats import ReportFormat
from tfmatrix.reports.render import render
from tfmatrix.store.content import write_atomically
from tfmatrix.store.runs import Run, archive_run


def write_archive(run: Run, folder: Path) -> Path:
    """Writes README.md (without the scenarios: hosts cut long pages), tables.md (with them), run.json, cells.jsonl.gz.

    Returns the README. Same run, same bytes.
    """
    archive_run(run, folder)
    write_atomically(folder / "tables.md", render(run, ReportFormat.MD))
    readme = folder / "README.md"
    summary = render(run, ReportFormat.MD, detail=False)
    write_atomically(readme, f"{summary}\nEvery scenario, cell by cell: [tables.md](tables.md).\n")
    return readme
