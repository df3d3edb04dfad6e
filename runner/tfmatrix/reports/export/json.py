"""`{"schema": 1, "run": run.json, "cells": [records]}`, complete and sorted by cell id."""

from __future__ import annotations

from tfmatrix.store.runs import Run, strict_json

NAME = "json"

SCHEMA = 1


def render(run: Run, *, detail: bool, width: int, colour: bool) -> str:  # noqa: ARG001
    """See `tfmatrix.reports.export`."""
    # A line per cell, so that two reports can be compared by line.
    cells = ",\n".join(strict_json(record.to_json()) for record in run.records)
    return f'{{"schema": {SCHEMA},\n"run": {strict_json(dict(run.header))},\n"cells": [\n{cells}\n]}}\n'
