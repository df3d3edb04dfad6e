"""Whether a run can be trusted as a whole: what is missing, what was not measured, what looks like a broken machine.

None of it stops a report. Each problem is a sentence at the top of the site, and publishing ends with exit code 4.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.reports.claims import short_error
from tfmatrix.reports.site.grid import Grid

ALIKE_AT_LEAST = 3
"""Cells of a column that must fail alike before it is suspected: two may be a coincidence."""

_INFRASTRUCTURE_TYPES = frozenset({
    "ImportError", "ModuleNotFoundError", "MemoryError", "PermissionError", "ConnectionError", "BrokenPipeError",
    "ConnectionResetError", "ConnectionRefusedError", "BlockingIOError", "InfrastructureError", "WorkerLostError",
    "SIGILL", "SIGKILL", "memory",
})  # fmt: skip
_INFRASTRUCTURE_WORDS = re.compile(
    r"no space left|cannot allocate memory|resource temporarily unavailable|read-only file system|input/output error"
    r"|too many open files|shared object file|illegal instruction|permission denied|connection (?:refused|reset)"
    r"|no module named|cannot import name|disk quota|out of memory",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with a run. `kind` is a word for programs, `text` a sentence for people."""

    kind: str
    text: str
    environment: str = ""


def problems(grid: Grid) -> tuple[Problem, ...]:
    """Everything that is wrong, the widest first."""
    return (*_run(grid), *_shards(grid), *_environments(grid), *_alike(grid), *_cells(grid))


def _run(grid: Grid) -> Iterator[Problem]:
    if not grid.run.is_complete:
        yield Problem(kind="incomplete", text="The run did not come to its end: only finished cells are shown.")
    for said in grid.run.problems:
        yield Problem(kind="incomplete", text=said)
    if not grid.run.records:
        yield Problem(kind="empty-run", text="The run has no cells.")


def _shards(grid: Grid) -> Iterator[Problem]:
    for missing in grid.run.header.get("missing_shards") or ():
        yield Problem(kind="missing-shard", text=f"Shard {missing} is missing: its cells are empty.")


def _environments(grid: Grid) -> Iterator[Problem]:
    """Environments of run.json without a cell, and those of which no cell could be measured."""
    listed = [str(name) for name in grid.run.header.get("environments") or ()]
    for name in listed:
        if name not in grid.environments:
            yield Problem(kind="empty-column", environment=name, text=f"{name} has no cell, neither saved nor loaded.")
    written, read = (_kinds_by(grid, side) for side in ("writer", "reader"))
    for name in grid.environments:
        writes, reads = written.get(name, {}), read.get(name, {})
        if not reads:
            yield Problem(kind="empty-column", environment=name, text=f"No cell is loaded in {name}.")
        if not writes:
            yield Problem(kind="empty-row", environment=name, text=f"No cell is saved in {name}.")
        both = {*writes, *reads}
        if both and all(grid.squares.examples[kind].status is Status.INFRA_ERROR for kind in both):
            place = grid.squares.places[name]
            own = np.flatnonzero((grid.squares.writer == place) | (grid.squares.reader == place))
            first = own[grid.squares.writer[own] == place] if writes else own
            reason = short_error(grid.run.records[first[0]].error) or "no reason was recorded"
            yield Problem(
                kind="failed-environment",
                environment=name,
                text=f"{name} could not be measured at all ({len(own)} cells): {reason}",
            )


def _kinds_by(grid: Grid, side: str, leave_out: Collection[Status] = ()) -> Mapping[str, Mapping[int, int]]:
    """Environment → how many cells of each kind it writes, or reads, in the order in which they come."""
    squares = grid.squares
    counts: dict[str, dict[int, int]] = {}
    column = getattr(squares, side).astype(np.int64)
    both, first, times = np.unique(column * len(squares.examples) + squares.kind, return_index=True, return_counts=True)
    for place in np.argsort(first).tolist():
        environment, kind = divmod(int(both[place]), len(squares.examples))
        if squares.examples[kind].status not in leave_out:
            counts.setdefault(squares.environments[environment], {})[kind] = int(times[place])
    return counts


def _alike(grid: Grid) -> Iterator[Problem]:
    """Columns and rows that fail in every cell with one reason that is a machine's rather than TensorFlow's."""
    left_out = (Status.UNSUPPORTED, Status.SKIPPED, Status.INFRA_ERROR)
    for doing, side in (("loaded", "reader"), ("saved", "writer")):
        columns = _kinds_by(grid, side, left_out)
        for name in grid.environments:
            counts = columns.get(name, {})
            kinds = [grid.squares.examples[kind] for kind in counts]
            cells = sum(counts.values())
            if cells < ALIKE_AT_LEAST or not all(record.status.is_incompatibility for record in kinds):
                continue
            errors = {short_error(record.error) for record in kinds}
            if len(errors) == 1 and _is_infrastructure(kinds[0]):
                yield Problem(
                    kind="fails-alike",
                    environment=name,
                    text=(
                        f"All {cells} cells {doing} in {name} fail alike, and with what looks like a fault of the "
                        f"machine, not of TensorFlow: {errors.pop()}"
                    ),
                )


def _is_infrastructure(record: CellRecord) -> bool:
    error = record.error or {}
    return str(error.get("type")) in _INFRASTRUCTURE_TYPES or bool(
        _INFRASTRUCTURE_WORDS.search(str(error.get("message") or "")[:2000])
    )


def _cells(grid: Grid) -> Iterator[Problem]:
    """Cells that could not be measured in environments that otherwise work."""
    lost = grid.records(lambda record: record.status is Status.INFRA_ERROR)
    if lost:
        reasons = sorted({short_error(record.error) or "no reason was recorded" for record in lost})
        more = f" and {len(reasons) - 3} more reasons" if len(reasons) > 3 else ""
        were = "cell was" if len(lost) == 1 else "cells were"
        yield Problem(
            kind="not-measured",
            text=f"{len(lost)} {were} not measured (infra-error): {'; '.join(reasons[:3])}{more}",
        )
