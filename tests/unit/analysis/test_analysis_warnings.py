from __future__ import annotations

import csv
import io
import json

import pytest
from analysis_runs import HOSTILE, load_error, record, run_of, save_error, warning
from markdown_it import MarkdownIt
from tfmatrix.analysis.warnings import (
    Catalogue,
    CatalogueFormat,
    Prediction,
    WarningEntry,
    answer,
    catalogue,
    percent,
    render,
)
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


def hostile() -> Run:
    said = warning(HOSTILE, HOSTILE, HOSTILE, channel=HOSTILE, count="many")
    return run_of(
        [record("s/h5/2.12.1/2.15.1", save_warnings=[said, warning("=1+1", category="-x")], load_warnings=[said])]
    )


def test_csv_has_a_line_for_each_warning_and_no_formula() -> None:
    for run in (run_of(cells()), hostile()):
        found = catalogue(run)
        text = render(found, "csv")
        assert "\r" not in text.replace("\\r", "")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [row["id"] for row in rows] == [entry.id for entry in found.entries]
        assert all(value[:1] not in ("=", "+", "-", "@") for row in rows for value in row.values())


def test_markdown_is_the_answer_and_two_tables() -> None:
    for run in (run_of(cells()), hostile()):
        text = render(catalogue(run), CatalogueFormat.MD)
        assert text.isascii() or text.replace("\n", "").isprintable()
        tokens = MarkdownIt("commonmark").enable("table").parse(text)
        assert next(token.content for token in tokens if token.type == "inline").startswith("Warnings of run")
        tables = [token for token in tokens if token.type == "table_open"]
        assert len(tables) == 2
        rows = [token for token in tokens if token.type == "tr_open"]
        assert len(rows) == 2 + len(catalogue(run).entries)
        boxes = sum(token.type in ("td_open", "th_open") for token in tokens)
        assert boxes == 7 * len(rows), "no pipe of a message makes a column"
        assert not any(token.type in ("html_block", "html_inline") for token in tokens)


def test_json_says_what_the_answer_says() -> None:
    data = json.loads(render(catalogue(run_of(cells())), "json"))
    assert data["schema"] == 1
    assert data["failed_without_warning"] == {"at_save": 2, "at_load": 2, "at_either": 1}
    assert data["answer"].startswith("2 of 3 saves")
    assert [entry["side"] for entry in data["warnings"]] == ["save", "save", "save", "load"]
    json.loads(render(catalogue(hostile()), "json"))


@pytest.mark.parametrize("fmt", list(CatalogueFormat))
def test_the_order_of_records_does_not_matter(fmt: CatalogueFormat) -> None:
    run = run_of(cells())
    backwards = Run(id=run.id, header=run.header, records=run.records[::-1], folder=run.folder)
    assert {entry.id for entry in catalogue(backwards).entries} == {entry.id for entry in catalogue(run).entries}
    assert render(catalogue(run), fmt) == render(catalogue(run_of(cells()[::-1])), fmt)


def test_a_run_in_which_nothing_was_said() -> None:
    text = render(catalogue(run_of([record("a/h5/2.12.1/2.12.1")])), "md")
    assert text.count("No warnings.") == 2
    assert render(catalogue(run_of([])), "csv").count("\n") == 1
