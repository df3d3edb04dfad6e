"""Pairs of runs for the tests of the comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.store.runs import Run, RunWriter

OLD, NEW = "2.15.1", "2.21.0@today"


def record(
    cell: str, status: str = "pass", *, delta: float | None = None, error: str = "", **fields: Any
) -> CellRecord:
    """A cell; `delta` makes its outputs drift by so much, `error` is what its loader raised."""
    scenario, fmt, writer, reader = cell.split("/")
    warnings = fields.pop("warnings", ())
    said = [{"phase": "load", "channel": "python", "category": "UserWarning", "message": text} for text in warnings]
    if delta is not None:
        fields |= {"checks": {"outputs": {"status": "fail", "max_abs": delta}}, "failed_checks": ("outputs",)}
    if error:
        fields["error"] = {"phase": "load", "type": "ValueError", "message": error, "traceback": ""}
    return CellRecord(
        run="r", cell=cell, scenario=scenario, format=fmt, writer=writer, reader=reader, status=Status(status),
        save={"status": "ok", "warnings": []}, load={"status": "ok", "warnings": said},
        **fields,
    )  # fmt: skip


def header(keras: str = "3.14.0", **more: Any) -> dict[str, Any]:
    """run.json of a run of two environments."""
    return {
        "started": "2026-11-21T01:00:00+00:00",
        "set": "nightly",
        "tfmatrix": "0.1.0",
        "environments": {
            OLD: {"python": "3.11.9", "lock": "a", "packages": {"tensorflow-cpu": "2.15.1", "keras": "2.15.0"}},
            NEW: {"python": "3.11.9", "lock": keras, "packages": {"tensorflow-cpu": "2.21.0", "keras": keras}},
        },
        "scenarios": {
            "dense": {"title": "A dense layer", "tags": ["layers"], "digest": "d1"},
            "lstm": {"digest": "l1"},
        },
        "code": {"worker": "w1", "checks": "c1"},
        "settings": {"seed": 0, "timeout": 120},
        "host": {"system": "Linux", "machine": "x86_64", "cpu_flags": ["avx", "avx2", "fma"]},
    } | more


def write_run(
    results: Path,
    name: str,
    records: Sequence[CellRecord],
    head: Mapping[str, Any],
    *,
    finished: str,
    complete: bool = True,
) -> Run | None:
    """A run in a results folder."""
    with RunWriter(results, name, head) as writer:
        for each in records:
            writer.add(each)
        return writer.finish(datetime.fromisoformat(finished)) if complete else None
