"""Synthetic runs for the tests of the report: realistic ones, and hostile ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from repository import ROOT
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.project.formats import own_formats
from tfmatrix.reports.render import render
from tfmatrix.store.runs import Run

HDF5_WARNING = {
    "phase": "save",
    "channel": "logging",
    "category": "WARNING",
    "message": "You are saving your model as an HDF5 file via `model.save()`. This file format is considered legacy.",
    "fingerprint": "5c1f",
    "count": 1,
}
_PACKAGES = ("tensorflow-cpu", "keras", "numpy", "h5py", "protobuf")
VERSIONS = {
    "2.12.1": dict(zip(_PACKAGES, ("2.12.1", "2.12.0", "1.23.5", "3.8.0", "4.23.3"), strict=True)),
    "2.15.1": dict(zip(_PACKAGES, ("2.15.1", "2.15.0", "1.26.4", "3.10.0", "4.25.3"), strict=True)),
    "2.16.2": dict(zip(_PACKAGES, ("2.16.2", "3.4.1", "1.26.4", "3.11.0", "4.25.3"), strict=True)),
    "2.21.0": dict(zip(_PACKAGES, ("2.21.0", "3.15.1", "2.4.0", "3.15.1", "6.33.2"), strict=True)),
    "2.16.2+tf-keras": {
        **dict(zip(_PACKAGES, ("2.16.2", "3.4.1", "1.26.4", "3.11.0", "4.25.3"), strict=True)),
        "tf_keras": "2.16.0",
    },
    "2.16.2@today": dict(zip(_PACKAGES, ("2.16.2", "3.15.1", "1.26.4", "3.15.1", "4.25.8"), strict=True)),
    "nightly": {"tf_nightly": "2.22.0.dev20251120", "keras_nightly": "3.16.0.dev2025112003", "numpy": "2.4.0"},
    "2.20.0": dict(zip(_PACKAGES, ("2.20.0", "3.11.3", "2.3.2", "3.14.0", "6.32.0"), strict=True)),
}


def record(cell: str, status: Status | str = Status.PASS, **fields: Any) -> CellRecord:
    """A record of the cell, with plausible outcomes where none are given."""
    scenario, fmt, writer, reader = cell.split("/")
    status = Status(status)
    saved = status not in (Status.SAVE_ERROR, Status.UNSUPPORTED, Status.INFRA_ERROR, Status.SKIPPED)
    loaded = status in (Status.PASS, Status.DRIFT)
    defaults: dict[str, Any] = {
        "save": {"status": "ok", "warnings": [], "seconds": {"save": 0.05}} if saved else {},
        "load": {"status": "ok" if loaded else "error", "warnings": [], "seconds": {"load": 0.1}} if saved else {},
        "checks": {"load": {"status": "pass"}, "outputs": {"status": "pass", "max_abs": 0.0}} if loaded else {},
        "artifact": {"digest": "sha256:" + "a" * 8, "bytes": 10240} if saved else None,
        "key": "k" * 8,
        "seconds": 0.25,
    }
    return CellRecord(
        run="r", cell=cell, scenario=scenario, format=fmt, writer=writer, reader=reader, status=status,
        **(defaults | fields),
    )  # fmt: skip


def drift(
    cell: str, max_abs: float | str | None = None, failed: Sequence[str] = ("outputs",), **fields: Any
) -> CellRecord:
    """A cell that loaded and differs."""
    checks = {name: {"status": "fail"} for name in failed}
    if max_abs is not None:
        checks["outputs"] = {"status": "fail", "max_abs": max_abs}
    return record(cell, Status.DRIFT, failed_checks=tuple(failed), checks=checks, **fields)


def load_error(cell: str, message: str, kind: str = "TypeError", **fields: Any) -> CellRecord:
    """A cell whose loader raised."""
    error = {"phase": "load", "type": kind, "message": message, "traceback": "…"}
    return record(cell, Status.LOAD_ERROR, error=error, failed_checks=("load",), **fields)


def run_of(records: Sequence[CellRecord], header: Mapping[str, Any] | None = None, **fields: Any) -> Run:
    """A complete run of the records; its environments are those the records name."""
    names = {name for item in records for name in (item.writer, item.reader)}
    python = {"nightly": "3.12.8"}
    default = {
        "schema": 1,
        "run": "20251122T190412Z-3fa9c1",
        "complete": True,
        "started": "2025-11-22T19:04:12+00:00",
        "finished": "2025-11-22T19:08:40+00:00",
        "tfmatrix": "0.1.0",
        "set": "quick",
        "executor": {"name": "venv", "reason": "no Docker engine answers at unix:///var/run/docker.sock"},
        "environments": {
            name: {"packages": packages, "python": python.get(name, "3.11.9")}
            for name, packages in VERSIONS.items()
            if name in names
        },
        "scenarios": {},
        "formats": ["h5", "keras", "savedmodel", "tf-savedmodel"],
        "format_info": {each.id: each.to_info() for each in own_formats().values()},
        "known_failures": [],
        "counts": {},
    }
    merged = default | dict(header or {})
    ordered = tuple(sorted(records, key=lambda item: item.cell))
    return Run(id=merged["run"], header=merged, records=ordered, folder=Path("results/runs/r"), **fields)


def article_run(environments: Sequence[str] = ("2.12.1", "2.15.1", "2.16.2", "2.21.0")) -> Run:
    """A run like that of the quick set: most of it passes, what fails is known, two cells are news."""
    old = {"2.12.1", "2.15.1", "2.16.2+tf-keras"}
    records = []
    for writer in environments:
        for reader in environments:
            pair = f"{writer}/{reader}"
            saving = {
                "warnings": [] if writer == "2.12.1" else [HDF5_WARNING],
                "status": "ok",
                "seconds": {"save": 0.1},
            }
            error = f"Could not locate class 'MyCustomLayer'. Make sure that it is registered; file /tmp/x/{pair}/m.h5"
            records.append(
                load_error(f"custom_layer/h5/{pair}", error, known=True, remedy="custom_objects", save=saving)
                if reader not in old
                else drift(f"custom_layer/h5/{pair}", 0.0312, ("outputs", "weights"), known=True, save=saving)
                if writer != reader
                else record(f"custom_layer/h5/{pair}", save=saving)
            )
            records.append(
                drift(f"optimizer_state/h5/{pair}", None, ("optimizer",), known=reader != "2.21.0")
                if writer in old and reader not in old
                else record(f"optimizer_state/h5/{pair}", promised=True, flaky=pair == "2.12.1/2.12.1")
            )
            records.append(
                record(f"optimizer_state/savedmodel/{pair}", Status.UNSUPPORTED)
                if writer not in old
                else load_error(
                    f"optimizer_state/savedmodel/{pair}", "File format not supported", "ValueError", known=True
                )
                if reader not in old
                else record(f"optimizer_state/savedmodel/{pair}", fixed=pair == "2.15.1/2.12.1")
            )
    return run_of(
        records,
        {
            "scenarios": {
                "optimizer_state": {
                    "title": "The optimizer's state is silently lost by `model.save`",
                    "description": "Claim: *training restarts from scratch*.\n\n```python\nmodel.save('m.h5')",
                },
                "custom_layer": {"title": "A raw `tf.Variable` in a custom layer is lost in h5", "description": ""},
            },
            "known_failures": [
                {
                    "cells": ["custom_layer/h5/*/*"],
                    "status": ["load-error", "drift"],
                    "reason": "Keras 3 knows the layer only with `custom_objects`",
                    "link": "https://github.com/keras-team/keras/issues/1",
                    "until": None,
                },
                {
                    "cells": ["optimizer_state/h5/*/*"], "status": ["drift"],
                    "reason": "legacy h5 has no optimizer variables for Keras 3", "link": "", "until": "2026-12-31",
                },
                {
                    "cells": ["optimizer_state/savedmodel/*/*"], "status": ["load-error"],
                    "reason": "Keras 3 reads no SavedModel", "link": None, "until": None,
                },
                {"cells": ["other/*"], "status": ["crash"], "reason": "elsewhere", "link": None, "until": None},
            ],
        },
    )  # fmt: skip


def golden_run() -> Run:
    """Small, and with one of everything that a reader must be able to tell apart."""
    warned = {"status": "ok", "warnings": [HDF5_WARNING], "seconds": {"save": 0.1}}
    lost = {
        "optimizer": {"status": "fail", "detail": ["iterations: 0, was 30", "all slots are missing"]},
        "outputs": {"status": "pass", "max_abs": 0.0},
    }
    records = [
        record("optimizer_state/h5/2.12.1/2.12.1"),
        record(
            "optimizer_state/h5/2.12.1/2.16.2", "drift", failed_checks=("optimizer",), checks=lost, known=True,
        ),
        load_error(
            "optimizer_state/h5/2.16.2/2.12.1", "bad|config `x`", "ValueError", save=warned, remedy="compile=False",
        ),
        record("optimizer_state/h5/2.16.2/2.16.2", save=warned, flaky=True),
        record("optimizer_state/savedmodel/2.12.1/2.12.1", fixed=True),
        drift("optimizer_state/savedmodel/2.12.1/2.16.2", 3.04e-4, promised=True),
        record("optimizer_state/savedmodel/2.16.2/2.12.1", "unsupported"),
        record(
            "optimizer_state/savedmodel/2.16.2/2.16.2", "infra-error",
            error={"phase": None, "type": "InfrastructureError", "message": "the worker was lost", "traceback": ""},
        ),
    ]  # fmt: skip
    return run_of(
        records,
        {
            "scenarios": {
                "optimizer_state": {
                    "title": "The optimizer's state is silently lost by `model.save`",
                    "description": "Claim: *training restarts from scratch*.",
                }
            },
            "known_failures": [
                {
                    "cells": ["optimizer_state/h5/2.12.1/*"],
                    "status": ["drift"],
                    "reason": "Keras 3 does not read the optimizer's state from files of Keras 2.",
                    "link": "https://github.com/keras-team/keras/issues/1",
                    "until": None,
                }
            ],
        },
    )


GOLDEN = {"small.txt": ("table", 80), "small.md": ("md", 80)}


def golden_text(name: str) -> str:
    """What a golden file ought to hold."""
    fmt, width = GOLDEN[name]
    return render(golden_run(), fmt, width=width)


if __name__ == "__main__":
    folder = ROOT / "tests/unit/reports/golden"
    folder.mkdir(exist_ok=True)
    for golden in GOLDEN:
        (folder / golden).write_bytes(golden_text(golden).encode())
