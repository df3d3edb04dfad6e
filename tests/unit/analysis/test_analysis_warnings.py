from __future__ import annotations

import pytest
from analysis_runs import record, run_of, save_error, warning
from tfmatrix.analysis.warnings import (
    Catalogue,
    Prediction,
    WarningEntry,
    answer,
    catalogue,
    percent,
)
from tfmatrix.core.records import CellRecord
from warning_runs import HDF5_2, READERS, UNTRACED, cells


def entry_of(found: Catalogue, text: str) -> WarningEntry:
    entries = [entry for entry in found.entries if text in entry.text]
    assert len(entries) == 1
    return entries[0]


def test_a_save_counts_once_and_its_cells_all() -> None:
    found = catalogue(run_of(cells()))
    assert (found.saves, found.loads) == (3, 12)
    entry = entry_of(found, "considered legacy")
    assert (entry.issued, entry.of, entry.times) == (1, 3, 2)
    assert entry.prediction == Prediction(cells=4, failed=2)
    assert (entry.side, entry.category, entry.channel, entry.phases) == ("save", "UserWarning", "python", ("save",))
    assert entry.fingerprints == ("aa",)
    assert (entry.first_version, entry.last_version) == ("2.15.1", "2.15.1")
    assert entry.environments == ("2.15.1",)


def test_a_load_counts_for_itself_and_by_its_reader() -> None:
    entry = entry_of(catalogue(run_of(cells())), "Skipping variable loading")
    assert entry.text == "Skipping variable loading for optimizer '<name>'"
    assert (entry.side, entry.issued, entry.of) == ("load", 3, 12)
    assert entry.prediction == Prediction(cells=3, failed=2)
    assert entry.environments == ("2.21.0",)


def test_whether_one_can_rely_on_them() -> None:
    found = catalogue(run_of(cells()))
    assert found.cells == Prediction(cells=12, failed=4)
    assert found.warned_saves == 2, "what building says is no warning of the save"
    # 2.12.1 → 2.16.2 and 2.21.0 failed in silence at the save, the latter with a word at the load.
    assert (found.silent_at_save, found.silent_at_load, found.silent) == (2, 2, 1)
    assert (found.warned, found.unwarned) == (Prediction(cells=8, failed=2), Prediction(cells=4, failed=2))
    assert answer(found) == (
        "2 of 3 saves warned (2 different warnings); 3 of 12 loads did. They cannot be relied on: of 4 cells that "
        "failed or drifted, 2 (50 %) had no warning when the model was saved, 2 (50 %) none when it was loaded, "
        "and 1 (25 %) "
        "none at all. After a warning at saving 2 of 8 (25 %) cells failed, after none 2 of 4 (50 %)."
    )


def test_a_run_without_failures_shows_nothing_about_them() -> None:
    passing = [cell for cell in cells() if not cell.status.is_incompatibility]
    assert answer(catalogue(run_of(passing))).endswith("failed: nothing shows whether to rely on them.")
    assert answer(catalogue(run_of([]))).startswith("0 of 0 saves warned; 0 of 0 loads did.")


def test_a_run_whose_failures_all_were_announced_says_so() -> None:
    announced = [cell for cell in cells() if cell.writer == "2.15.1"]
    assert "Every failure was announced at saving: of 2 cells" in answer(catalogue(run_of(announced)))


def test_a_failing_save_predicts_nothing() -> None:
    said = {"status": "error", "warnings": [warning(HDF5_2)], "seconds": 0.5}
    failing = [save_error(f"a/h5/2.15.1/{reader}", "m", save=said) for reader in READERS]
    found = catalogue(run_of(failing))
    assert (found.saves, found.loads, found.warned_saves) == (1, 0, 1)
    assert found.cells == Prediction(cells=0, failed=0)
    assert found.entries[0].prediction == Prediction(cells=0, failed=0)
    assert str(found.entries[0].prediction) == "0 of 0"


def test_formats_of_one_saver_share_its_save() -> None:
    said = {"status": "ok", "warnings": [warning(UNTRACED.format("f", 1, 1))], "seconds": 0.25}
    shared = {"digest": "one", "bytes": 1}
    both = [record(f"a/{fmt}/2.12.1/2.12.1", save=said, artifact=shared) for fmt in ("savedmodel", "savedmodel-raw")]
    other = record("a/tf-savedmodel/2.12.1/2.12.1", save=said, artifact={"digest": "two", "bytes": 1})
    found = catalogue(run_of([*both, other]))
    assert found.saves == 2
    assert found.entries[0].issued == 2
    assert found.entries[0].formats == ("savedmodel", "tf-savedmodel", "savedmodel-raw"), "listed ones first"


def test_what_belongs_to_a_scenario_does_not_make_another_warning() -> None:
    def saying(cell: str, text: str) -> CellRecord:
        return record(cell, save_warnings=[warning(text)])

    found = catalogue(
        run_of(
            [
                saying("a/savedmodel/2.12.1/2.12.1", UNTRACED.format("_update_step_xla", 1, 1)),
                saying("b/savedmodel/2.12.1/2.12.1", UNTRACED.format("lstm_cell_layer_call_fn, x", 5, 7)),
                saying("b/savedmodel/2.15.1/2.12.1", UNTRACED.format("_f", 5, 7)),
            ]
        )
    )
    assert len(found.entries) == 1
    entry = found.entries[0]
    assert (entry.first_environment, entry.last_environment) == ("2.12.1", "2.15.1")
    assert entry.scenarios == ("a", "b")
    assert entry.id == catalogue(run_of([saying("z/h5/2.21.0/2.12.1", UNTRACED.format("g", 9, 9))])).entries[0].id


def test_channel_and_category_tell_warnings_apart_and_infos_are_none() -> None:
    said = [
        warning("w"),
        warning("w", category="DeprecationWarning"),
        warning("w", channel="logging"),
        warning("w", category="INFO"),
        warning("w", category="DEBUG"),
    ]
    found = catalogue(run_of([record("a/h5/2.12.1/2.12.1", save_warnings=said)]))
    assert len(found.entries) == 3


def test_cells_that_did_not_run_are_not_counted() -> None:
    error = {"phase": "load", "type": "InfrastructureError", "message": "m", "traceback": ""}
    silent = [
        record("a/h5/2.12.1/2.15.1", "unsupported", save={"status": "unsupported", "warnings": []}),
        record("a/h5/2.15.1/2.15.1", "infra-error", error=error, load={"status": "infra", "warnings": []}),
        record("a/h5/2.16.2/2.15.1", "skipped", save={"status": "skipped", "warnings": []}, load={}),
    ]
    found = catalogue(run_of(silent))
    assert (found.saves, found.loads, found.cells.cells) == (1, 0, 0)


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(0, 0, "–"), (0, 7, "0 %"), (7, 7, "100 %"), (1, 1000, "< 1 %"), (999, 1000, "> 99 %"), (1, 3, "33 %")],
)
def test_a_share_is_never_all_or_nothing_by_rounding(part: int, whole: int, expected: str) -> None:
    assert percent(part, whole) == expected
