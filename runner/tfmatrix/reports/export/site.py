"""A static site to browse: maps, cells, causes, warnings, upgrades, history."""

from __future__ import annotations

from pathlib import Path

from tfmatrix.reports.site.published import build_run
from tfmatrix.store.runs import Run

NAME = "site"


def write(run: Run, results: Path, folder: Path) -> Path:
    """See `tfmatrix.reports.export`."""
    return build_run(results, run, folder).folder / "index.html"
