"""A run as a pandas DataFrame, one row per cell: for notebooks, and for the csv report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfmatrix.checks.registry import checks
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.core.text import figure
from tfmatrix.store.runs import read_run_folder

if TYPE_CHECKING:
    import pandas as pd


def load_run(path: Path | str) -> pd.DataFrame:
    """The run in a folder (`results/runs/RUN`) as a DataFrame, one row per cell, sorted by `cell`.

    Columns:
    - `run`, `cell`, `scenario`, `format`, `writer`, `reader`, `status`: text;
    - `known`, `fixed`, `flaky`, `promised`, `cached`: bool;
    - `inferred`: `artifact` or `reader` where the cell was not measured, else missing;
    - `failed_checks`: names, separated by spaces;
    - `error_phase`, `error_type`, `error_message`: text, missing where nothing was raised;
    - `remedy`: the remedy that makes the cell pass, else missing; `remedies`: how many were tried;
    - `attribution_serialization`, `attribution_numerics`: missing where nothing was attributed;
    - `save_status`, `save_seconds`, `save_warnings`, and `load_…`: what each step came to; warnings are counted;
    - `artifact_digest`, `artifact_bytes`, `key`, `seconds` (of the whole cell), `schema`;
    - `CHECK_check` for each check: `pass`, `fail`, `not-applicable`, `error`, or missing;
    - `CHECK_FIGURE`, such as `outputs_max_abs`: every figure that is one value, in alphabetical order. Those of
      the check `load` are `load_check_FIGURE`, because `load_…` is the step. Lists and mappings are in
      cells.jsonl only.

    Raises StoreError where the folder holds no run, or a damaged one.
    """
    return to_frame(read_run_folder(Path(path)).records)


def to_frame(records: Sequence[CellRecord]) -> pd.DataFrame:
    """Records as a DataFrame with the columns that `load_run` documents."""
    import pandas as pd

    rows = [_row(record) for record in records]
    fixed = list(_row(_EMPTY))
    figures = sorted({column for row in rows for column in row} - set(fixed))
    return pd.DataFrame({name: _column(name, [row.get(name) for row in rows]) for name in [*fixed, *figures]})


def _row(record: CellRecord) -> dict[str, Any]:
    error = record.error or {}
    attribution = record.attribution or {}
    artifact = record.artifact or {}
    row: dict[str, Any] = {
        "run": record.run,
        "cell": record.cell,
        "scenario": record.scenario,
        "format": record.format,
        "writer": record.writer,
        "reader": record.reader,
        "status": record.status.value,
        "known": record.known,
        "fixed": record.fixed,
        "flaky": record.flaky,
        "promised": record.promised,
        "inferred": (record.inferred or {}).get("by"),
        "failed_checks": " ".join(record.failed_checks),
        "error_phase": error.get("phase"),
        "error_type": error.get("type"),
        "error_message": error.get("message"),
        "remedy": record.remedy,
        "remedies": len(record.remedies),
        "attribution_serialization": attribution.get("serialization"),
        "attribution_numerics": attribution.get("numerics"),
    }
    for step, outcome in (("save", record.save), ("load", record.load)):
        row[f"{step}_status"] = outcome.get("status")
        row[f"{step}_seconds"] = _seconds(outcome.get("seconds"))
        row[f"{step}_warnings"] = sum(warning.get("count", 1) for warning in outcome.get("warnings", ()))
    row |= {
        "artifact_digest": artifact.get("digest"),
        "artifact_bytes": artifact.get("bytes"),
        "key": record.key,
        "cached": record.cached,
        "seconds": record.seconds,
        "schema": record.schema,
    }
    row |= {f"{check}_check": record.checks.get(check, {}).get("status") for check in checks()}
    for check, figures in record.checks.items():
        prefix = "load_check" if check == "load" else check
        for name, value in figures.items():
            if name != "status" and (value is None or isinstance(value, str | bool | int | float)):
                row[f"{prefix}_{name}"] = value
    return row


def _seconds(value: Any) -> float | None:
    """Seconds of a step: a number, or seconds by phase."""
    return float(sum(value.values())) if isinstance(value, dict) else figure(value)


_TEXT = ("run", "cell", "scenario", "format", "writer", "reader", "status", "failed_checks", "key")


def _column(name: str, values: list[Any]) -> Any:
    """Values as a column whose type they alone decide: a missing one does not turn counts into floats."""
    import pandas as pd

    present = [value for value in values if value is not None]
    if name in _TEXT or not present:
        return pd.Series(values, dtype="object")
    if all(isinstance(value, bool) for value in present):
        return pd.Series(values, dtype="bool" if len(present) == len(values) else "boolean")
    if all(_is_count(value) for value in present):
        return pd.Series(values, dtype="int64" if len(present) == len(values) else "Int64")
    numbers = [figure(value) for value in present]
    if all(value is not None for value in numbers):
        return pd.Series([figure(value) for value in values], dtype="float64")
    return pd.Series(values, dtype="object")


def _is_count(value: Any) -> bool:
    """An integer that pandas can hold as one; distances in ULP may be larger."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


_EMPTY = CellRecord(run="", cell="", scenario="", format="", writer="", reader="", status=Status.PASS)
