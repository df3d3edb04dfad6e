"""Prints how often each format held, over all writers and readers of a run: python docs/formats_held.py RUN."""

from __future__ import annotations

import sys

import tfmatrix


def main(run: str) -> None:
    """A line for each format: cells that pass, cells that were measured."""
    cells = tfmatrix.load_run(run)
    measured = cells[~cells.status.isin(["unsupported", "infra-error", "skipped"])]
    for name, of_format in measured.groupby("format", observed=True):
        print(f"{name:<20} {(of_format.status == 'pass').sum():>4} of {len(of_format)}")


if __name__ == "__main__":
    main(sys.argv[1])
