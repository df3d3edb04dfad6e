from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from run_builder import article_run, drift, load_error, record
from tfmatrix.checks.registry import checks
from tfmatrix.core.errors import StoreError
from tfmatrix.core.records import CellRecord
from tfmatrix.reports.export.frame import load_run, to_frame
from tfmatrix.store.runs import RunWriter

CELL = "dense/h5/2.12.1/2.16.2"


def test_a_run_folder_is_a_frame_with_a_row_per_cell(tmp_path: Path) -> None:
    run = article_run()
    with RunWriter(tmp_path, "r1", run.header) as writer:
        for item in reversed(run.records):
            writer.add(item)
        writer.finish(datetime(2025, 1, 1, tzinfo=UTC))
    frame = load_run(tmp_path / "runs" / "r1")
    assert list(frame["cell"]) == [item.cell for item in run.records]
    assert frame["status"].value_counts().to_dict() == {"pass": 18, "load-error": 12, "drift": 10, "unsupported": 8}
    pd.testing.assert_frame_equal(load_run(str(tmp_path / "runs" / "r1")), frame)
    assert frame["known"].dtype == bool
    assert frame.loc[frame["status"] == "drift", "outputs_max_abs"].max() == 0.0312


def test_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        load_run(tmp_path)


def test_every_documented_column_is_there_even_without_cells() -> None:
    columns = set(to_frame([]).columns)
    documented = (load_run.__doc__ or "").split("Columns:")[1]
    for name in ("run", "cell", "error_message", "remedies", "attribution_numerics", "save_seconds", "artifact_bytes"):
        assert name in columns
        assert f"`{name}`" in documented
    assert {f"{check}_check" for check in checks()} <= columns
    assert {f"{step}_{what}" for step in ("save", "load") for what in ("status", "seconds", "warnings")} <= columns
    assert len(to_frame([])) == 0


def row(cell: CellRecord) -> dict[str, object]:
    return dict(to_frame([cell, record("z/h5/2.12.1/2.16.2", checks={})]).iloc[0])


def test_steps_and_checks_do_not_take_each_others_columns() -> None:
    warnings = [{"phase": "load", "category": "UserWarning", "message": "m", "count": 3}, {"message": "n"}]
    cell = record(
        CELL,
        load={"status": "ok", "warnings": warnings, "seconds": {"load": 0.5, "observe": 0.25}},
        checks={"load": {"status": "pass", "seconds": 9, "detail": ["x"]}, "warnings": {"status": "pass", "new": 2}},
    )
    values = row(cell)
    assert values["load_status"] == "ok"
    assert values["load_seconds"] == 0.75
    assert values["load_warnings"] == 4
    assert values["load_check"] == "pass"
    assert values["load_check_seconds"] == 9
    assert values["warnings_new"] == 2
    assert "load_check_detail" not in values


def test_types_follow_from_the_values() -> None:
    def with_figures(name: str, **figures: object) -> CellRecord:
        return record(f"{name}/h5/2.12.1/2.16.2", checks={"outputs": {"status": "pass", **figures}})

    frame = to_frame(
        [
            with_figures("a", max_abs=1, max_ulp=3, kernels=True, worst="x", huge=2**64 - 1),
            with_figures("b", max_abs="nan", worst=None),
            with_figures("c", max_abs="inf", max_ulp=0, huge=1),
        ]
    )
    assert frame["outputs_max_abs"].dtype == "float64"
    assert frame["outputs_max_abs"].tolist()[2] == float("inf")
    assert frame["outputs_max_ulp"].dtype == "Int64"
    assert frame["outputs_kernels"].dtype == "boolean"
    assert frame["outputs_huge"].dtype == "float64"
    assert frame["outputs_worst"].tolist()[0] == "x"
    assert frame["artifact_bytes"].dtype == "int64"


def test_errors_remedies_and_attribution() -> None:
    values = row(
        load_error(
            CELL, "bad\x00magic", remedy="compile=False", remedies=({"name": "a"}, {"name": "compile=False"}),
            attribution={"serialization": 0.5, "numerics": 0.0},
        )
    )  # fmt: skip
    assert values["error_message"] == "bad\x00magic", "a notebook gets what was recorded"
    assert values["remedies"] == 2
    assert values["remedy"] == "compile=False"
    assert values["attribution_serialization"] == 0.5


def test_failed_checks_are_names() -> None:
    assert row(drift(CELL, 1.0, ("outputs", "weights")))["failed_checks"] == "outputs weights"


def test_versions_are_ordered_as_versions_and_environments_as_the_matrix(tmp_path: Path) -> None:
    described = {
        name: {"packages": {"tensorflow": name.split("+")[0], "keras": keras}, "tensorflow": name.split("+")[0]}
        for name, keras in (("2.9.3", "2.9.0"), ("2.10.1", "2.10.0"), ("2.16.2+tf-keras", "3.4.1"))
    }
    with RunWriter(
        tmp_path, "r1", {"environments": described, "scenarios": {"a": {"tags": ["layers", "x"]}}}
    ) as writer:
        for reader in described:
            writer.add(load_error(f"a/h5/2.9.3/{reader}", "File format not supported", "ValueError"))
        writer.finish(datetime(2025, 1, 1, tzinfo=UTC))
    frame = load_run(tmp_path / "runs" / "r1")
    assert list(frame.reader.cat.categories) == ["2.9.3", "2.10.1", "2.16.2+tf-keras"]
    assert len(frame[frame.reader > "2.9.3"]) == 2
    assert list(frame.reader_tensorflow.cat.categories) == ["2.9.3", "2.10.1", "2.16.2"]
    assert set(frame.tags) == {"layers x"}
    assert frame.causes.str.startswith("C-").all()
    assert frame.cause.notna().all()
