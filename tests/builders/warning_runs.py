"""Runs whose saves and loads warn."""

from __future__ import annotations

from analysis_runs import HOSTILE, load_error, record, run_of, warning
from tfmatrix.core.records import CellRecord
from tfmatrix.store.runs import Run

HDF5_2 = "You are saving your model as an HDF5 file via `model.save()`. This file format is considered legacy."
HDF5_3 = "You are saving your model as an HDF5 file via `model.save()` or `keras.saving.save_model(model)`."
UNTRACED = "Found untraced functions such as {} while saving (showing {} of {}). These functions will not be callable."
READERS = ("2.12.1", "2.15.1", "2.16.2", "2.21.0")


def cells() -> list[CellRecord]:
    """2.12.1 warns while building only, 2.15.1 and 2.21.0 while saving; Keras 3 fails to load what Keras 2 wrote."""
    records = []
    for writer, said in (
        ("2.12.1", []),
        ("2.15.1", [warning(HDF5_2, fingerprint="aa", count=2)]),
        ("2.21.0", [warning(HDF5_3, category="WARNING", channel="logging", fingerprint="bb")]),
    ):
        for reader in READERS:
            save = {"status": "ok", "warnings": said, "seconds": 0.125}
            built = [warning("Do not pass an `input_shape`", "build")] if writer != "2.15.1" else []
            save["warnings"] = [*built, *said]
            old_to_new = writer < "2.16" <= reader
            loading = [warning("Skipping variable loading for optimizer 'adam'", "load")] if reader == "2.21.0" else []
            cell = f"a/h5/{writer}/{reader}"
            load = {"status": "error" if old_to_new else "ok", "warnings": loading}
            records.append(
                load_error(cell, "m", save=save, load=load) if old_to_new else record(cell, save=save, load=load)
            )
    return records


def hostile() -> Run:
    said = warning(HOSTILE, HOSTILE, HOSTILE, channel=HOSTILE, count="many")
    return run_of(
        [record("s/h5/2.12.1/2.15.1", save_warnings=[said, warning("=1+1", category="-x")], load_warnings=[said])]
    )
