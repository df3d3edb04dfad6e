"""A run as a pandas DataFrame, one row per cell: for notebooks, and for the csv report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfmatrix.analysis.causes import Cause, find_causes
from tfmatrix.analysis.environments import Environments
from tfmatrix.checks.registry import checks
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.core.text import figure
from tfmatrix.core.versions import version
from tfmatrix.store.runs import Run, read_run_folder

if TYPE_CHECKING:
    import pandas as pd


def load_run(path: Path | str) -> pd.DataFrame:
    """The run in a folder (`results/runs/RUN`) as a DataFrame, one row per cell, sorted by `cell`.

    Columns:
    - `run`, `cell`, `scenario`, `format`, `status`: text;
    - `writer`, `reader`: text, ordered as the matrix lists environments, so that 2.9.3 < 2.10.1;
    - `writer_tensorflow`, `writer_keras`, `reader_tensorflow`, `reader_keras`: their versions, ordered by version;
    - `tags`: those of the scenario; `causes`: the ids of what went wrong; `cause`: the title of the first of them;
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
    return of_run(read_run_folder(Path(path)))


def of_run(run: Run) -> pd.DataFrame:
    """A run as a DataFrame, as `load_run` documents it."""
    import pandas as pd

    frame = to_frame(run.records)
    environments = Environments.of(run)
    scenarios = run.header.get("scenarios") or {}
    causes: dict[str, list[Cause]] = {}
    for cause in find_causes(run):
        for cell in cause.cells:
            causes.setdefault(cell, []).append(cause)
    found = [causes.get(cell, []) for cell in frame["cell"]]
    added = {
        f"{side}_{name}": _ordered([getattr(environments.versions(each), name) or None for each in frame[side]])
        for side in ("writer", "reader")
        for name in ("tensorflow", "keras")
    }
    tags = [" ".join(map(str, (scenarios.get(name) or {}).get("tags") or ())) for name in frame["scenario"]]
    added["tags"] = pd.Series(tags, dtype="object")
    added["causes"] = pd.Series([" ".join(cause.id for cause in each) for each in found], dtype="object")
    added["cause"] = pd.Series([each[0].title if each else None for each in found], dtype="object")
    for side in ("writer", "reader"):
        frame[side] = pd.Categorical(frame[side], categories=environments.order, ordered=True)
    place = list(frame.columns).index("failed_checks") + 1
    return pd.concat([frame.iloc[:, :place], pd.DataFrame(added), frame.iloc[:, place:]], axis=1)


def _ordered(versions: Sequence[str | None]) -> Any:
    """Versions as a column in which 2.9 comes before 2.10; what is no version stands behind them."""
    import pandas as pd

    names = {each for each in versions if each is not None}
    numbers = {name: version(name) for name in names}
    order = sorted((name for name in names if numbers[name] is not None), key=lambda name: numbers[name] or ())
    order += sorted(name for name in names if numbers[name] is None)
    return pd.Series(list(versions), dtype=pd.CategoricalDtype(order, ordered=True))


def to_frame(records: Sequence[CellRecord]) -> pd.DataFrame:
    """Records as a DataFrame with the columns that `load_run` documents, but for those that the run tells."""
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
