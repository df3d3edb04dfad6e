"""Synthetic runs for the tests of the analyses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.project.formats import own_formats
from tfmatrix.store.runs import Run

VERSIONS = {
    "2.12.1": {"tensorflow-cpu": "2.12.1", "keras": "2.12.0", "numpy": "1.23.5", "absl_py": "1.4.0", "wrapt": "1.14.1"},
    "2.15.1": {"tensorflow-cpu": "2.15.1", "keras": "2.15.0", "numpy": "1.26.4", "absl_py": "2.1.0", "wrapt": "1.14.1"},
    "2.16.2": {"tensorflow-cpu": "2.16.2", "keras": "3.4.1", "numpy": "1.26.4", "absl_py": "2.1.0", "wrapt": "1.16.0"},
    "2.21.0": {"tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.4.0", "absl_py": "2.3.1", "wrapt": "1.17.3"},
}
ENVIRONMENTS = tuple(VERSIONS)
HOSTILE = "a|b `c` \x1b[2J\x1b[31m\r\n\x00<script>\u202e\udc80 **" + "x" * 2**20


def warning(message: str, phase: str = "save", category: str = "UserWarning", **fields: Any) -> dict[str, Any]:
    return {"phase": phase, "channel": "python", "category": category, "message": message, "count": 1} | fields


def record(cell: str, status: Status | str = Status.PASS, **fields: Any) -> CellRecord:
    """A record of the cell; its save and load went as the status says."""
    scenario, fmt, writer, reader = cell.split("/")
    status = Status(status)
    saved = status not in (Status.SAVE_ERROR, Status.UNSUPPORTED)
    save_warnings, load_warnings = fields.pop("save_warnings", []), fields.pop("load_warnings", [])
    defaults: dict[str, Any] = {
        "save": {"status": "ok" if saved else "error", "warnings": save_warnings, "seconds": 0.1},
        "load": {"status": "ok" if status in (Status.PASS, Status.DRIFT) else "error", "warnings": load_warnings}
        if saved
        else {},
        "artifact": {"digest": f"{scenario}/{fmt}/{writer}", "bytes": 1} if saved else None,
    }
    return CellRecord(
        run="r", cell=cell, scenario=scenario, format=fmt, writer=writer, reader=reader, status=status,
        **(defaults | fields),
    )  # fmt: skip


def load_error(cell: str, message: str, kind: str = "ValueError", traceback: str = "", **fields: Any) -> CellRecord:
    error = {"phase": "load", "type": kind, "message": message, "traceback": traceback}
    return record(cell, Status.LOAD_ERROR, error=error, failed_checks=("load",), **fields)


def save_error(cell: str, message: str, kind: str = "ValueError", **fields: Any) -> CellRecord:
    error = {"phase": "save", "type": kind, "message": message, "traceback": ""}
    return record(cell, Status.SAVE_ERROR, error=error, **fields)


def drift(cell: str, checks: Mapping[str, Mapping[str, Any]], **fields: Any) -> CellRecord:
    """A cell that loaded and differs: `checks` are the failing ones."""
    failing = {name: {"status": "fail"} | dict(check) for name, check in checks.items()}
    return record(
        cell, Status.DRIFT, failed_checks=tuple(failing), checks={"load": {"status": "pass"}} | failing, **fields
    )


def run_of(records: Sequence[CellRecord], header: Mapping[str, Any] | None = None, **fields: Any) -> Run:
    """A complete run of the records, with the four environments."""
    default = {
        "schema": 1,
        "run": "20251122T190412Z-3fa9c1",
        "complete": True,
        "environments": {name: {"packages": packages, "python": "3.11.9"} for name, packages in VERSIONS.items()},
        "scenarios": {},
        "formats": ["h5", "keras", "savedmodel", "tf-savedmodel"],
        "format_info": {each.id: each.to_info() for each in own_formats().values()},
        "known_failures": [],
    }
    merged = default | dict(header or {})
    ordered = tuple(sorted(records, key=lambda item: item.cell))
    return Run(id=merged["run"], header=merged, records=ordered, folder=Path("results/runs/r"), **fields)
