from __future__ import annotations

from typing import Any

from run_builder import HDF5_WARNING, drift, load_error, record, run_of
from tfmatrix.analysis.squares import Squares
from tfmatrix.core.records import CellRecord
from tfmatrix.core.text import to_plain
from tfmatrix.reports.claims import Claims, evidence, short_error

ENVIRONMENTS = ["2.12.1", "2.15.1", "2.16.2"]


def pairs(**by_pair: Any) -> list[CellRecord]:
    """All pairs of three environments; `a_c=record` replaces that of the first and the third."""
    cells = []
    for i, writer in enumerate(ENVIRONMENTS):
        for j, reader in enumerate(ENVIRONMENTS):
            make = by_pair.get(f"{'abc'[i]}_{'abc'[j]}", record)
            cells.append(make(f"dense/h5/{writer}/{reader}"))
    return cells


def said(cells: list[CellRecord]) -> list[str]:
    return [to_plain(line) for line in Claims(Squares.of(run_of(cells))).sentences("dense", "h5")]


def counted(*cells: CellRecord) -> str:
    squares = Squares.of(run_of(cells))
    return to_plain(Claims(squares).paragraph(*squares.blocks.values()))


def failing(cell: str) -> CellRecord:
    return load_error(cell, "bad magic")


def test_all_is_well() -> None:
    assert said(pairs()) == [
        "saving to h5 in 2.12.1, 2.15.1, 2.16.2: no warning",
        "loading in every pair: pass",
    ]


def test_readers_that_share_their_writers_stand_together() -> None:
    assert said(pairs(a_c=failing, b_c=failing))[1:] == [
        "loading in 2.16.2 from 2.12.1, 2.15.1: load-error TypeError: bad magic",
        "loading in 2.12.1, 2.15.1 from any writer; in 2.16.2 from 2.16.2: pass",
    ]


def test_own_artifacts_and_all_others() -> None:
    others = dict.fromkeys(("a_b", "a_c", "b_a", "b_c", "c_a", "c_b"), failing)
    assert said(pairs(**others))[1:] == [
        "loading in every other environment: load-error TypeError: bad magic",
        "loading in the environment that saved it: pass",
    ]


def test_drift_says_what_was_found() -> None:
    def lossy(cell: str) -> CellRecord:
        checks = {
            "outputs": {"status": "fail", "max_abs": 0.25 if cell.endswith("a") else 0.5, "detail": ["differs"]},
            "optimizer": {"status": "fail", "detail": ["iterations: 0, was 30", "more"]},
        }
        return record(cell, "drift", failed_checks=("outputs", "optimizer"), checks=checks)

    assert said(pairs(a_c=lossy, b_c=lossy))[1] == (
        "loading in 2.16.2 from 2.12.1, 2.15.1: drift of outputs by up to 0.5, optimizer (iterations: 0, was 30)"
    )


def test_what_differs_from_cell_to_cell_is_an_example() -> None:
    def lossy(cell: str) -> CellRecord:
        checks = {"weights": {"status": "fail", "detail": [f"a is missing from {cell}"]}}
        return record(cell, "drift", failed_checks=("weights",), checks=checks)

    line = said(pairs(a_c=lossy, b_c=lossy))[1]
    assert line.endswith("drift of weights (such as a is missing from dense/h5/2.12.1/2.16.2)")


def test_nan_is_the_largest_difference() -> None:
    def to_nan(cell: str) -> CellRecord:
        return record(
            cell, "drift", failed_checks=("outputs",), checks={"outputs": {"max_abs": 0.0, "nan_mismatches": 1}}
        )

    line = said(pairs(a_b=lambda cell: drift(cell, 7.0), a_c=to_nan, b_c=lambda cell: drift(cell, 8.0)))[1]
    assert line.endswith("drift of outputs by up to nan")


def test_warnings_of_saving_are_named_per_version() -> None:
    def warned(cell: str) -> CellRecord:
        noise = {"phase": "save", "category": "INFO", "message": "Assets written to: /tmp/x/assets"}
        training = {"phase": "train", "category": "UserWarning", "message": "not of the save"}
        return record(cell, save={"status": "ok", "warnings": [HDF5_WARNING, noise, training]})

    lines = said(pairs(c_a=warned, c_b=warned, c_c=warned))
    assert lines[0] == "saving to h5 in 2.12.1, 2.15.1: no warning"
    assert lines[1].startswith("saving to h5 in 2.16.2: WARNING: You are saving your model as an HDF5 file")


def test_warnings_that_python_hides_come_last() -> None:
    def warned(cell: str) -> CellRecord:
        names = ("DeprecationWarning", "UserWarning")
        warnings = [{"phase": phase, "category": name, "message": "m"} for name in names for phase in ("save", "load")]
        outcome = {"status": "ok", "warnings": warnings}
        return record(cell, save=outcome, load=outcome)

    lines = said([warned("dense/h5/2.12.1/2.12.1")])
    assert lines[0].endswith(": UserWarning: m and DeprecationWarning: m")
    assert [line.split(": ")[1] for line in lines[-2:]] == ["UserWarning", "DeprecationWarning"]


def test_warnings_of_loading_are_counted() -> None:
    def warned(cell: str) -> CellRecord:
        warnings = [
            {"phase": "load", "category": "UserWarning", "message": f"at 0x{'0a'[cell < 'dense/h5/2.13']}f", "count": 3}
        ]
        return record(cell, load={"status": "ok", "warnings": warnings})

    assert said(pairs(a_c=warned, b_c=warned))[-1] == "loading warned in 2 of 9 pairs: UserWarning: at …"


def test_what_was_not_saved_was_not_loaded() -> None:
    def unsaved(cell: str) -> CellRecord:
        error = {"phase": "save", "type": "ValueError", "message": "no", "traceback": ""}
        return record(cell, "save-error", error=error)

    def crashed(cell: str) -> CellRecord:
        return record(cell, "crash", error={"phase": "build", "type": "SIGSEGV", "message": "killed"})

    cells = pairs(
        **dict.fromkeys(("a_a", "a_b", "a_c"), unsaved),
        **dict.fromkeys(("b_a", "b_b", "b_c"), lambda cell: record(cell, "unsupported")),
        **dict.fromkeys(("c_a", "c_b", "c_c"), crashed),
    )
    assert said(cells) == [
        "saving to h5 in 2.12.1: save-error ValueError: no",
        "saving to h5 in 2.15.1: unsupported",
        "saving to h5 in 2.16.2: crash SIGSEGV: killed",
    ]


def test_a_crash_while_loading_is_one_of_loading() -> None:
    def crashed(cell: str) -> CellRecord:
        return record(cell, "crash", error={"phase": "load", "type": "SIGSEGV", "message": "killed by SIGSEGV"})

    lines = said(pairs(a_c=crashed))
    assert lines[0].endswith("no warning")
    assert lines[1] == "loading in 2.16.2 from 2.12.1: crash SIGSEGV: killed by SIGSEGV"


def test_what_could_not_be_measured_says_nothing() -> None:
    def lost(cell: str) -> CellRecord:
        return record(cell, "infra-error")

    assert said(pairs(a_c=lost))[0] == "saving to h5 in 2.12.1, 2.15.1, 2.16.2: no warning"
    assert said(pairs(a_a=lost, a_b=lost, a_c=lost)) == [
        "saving to h5 in 2.12.1: not measured",
        "saving to h5 in 2.15.1, 2.16.2: no warning",
        "loading in every pair: pass",
    ]


def test_many_kinds_of_outcome_are_counted() -> None:
    makers = {
        f"{writer}_{reader}": lambda cell, kind=f"{writer}{reader}": load_error(cell, kind)
        for writer in "abc"
        for reader in "abc"
    }
    lines = said(pairs(**makers))
    assert len(lines) == 1 + 5 + 1
    assert lines[-1] == "loading in 4 other pairs: 4 other outcomes"


def test_paths_and_addresses_do_not_tell_errors_apart() -> None:
    one = short_error({"type": "OSError", "message": "no '/tmp/run1/m.h5' at 0x7f01"})
    two = short_error({"type": "OSError", "message": "no '/tmp/run2/m.h5' at 0x7f99"})
    assert one == two == "OSError: no '…' at …"


def test_a_fraction_is_no_path() -> None:
    assert short_error({"type": "E", "message": "1/2 and a/b/c and and/or"}) == "E: 1/2 and a/b/c and and/or"


def test_errors_without_type_or_message() -> None:
    assert short_error(None) == ""
    assert short_error({"type": "E", "message": ""}) == "E"
    assert short_error({"message": "m"}) == "m"


def test_the_evidence_of_a_cell() -> None:
    cell = "dense/h5/2.12.1/2.16.2"
    assert to_plain(evidence(load_error(cell, "bad\nmagic"))) == "TypeError: bad magic"
    assert to_plain(evidence(drift(cell, 3e-4, ("outputs", "weights")))) == "outputs 3e-4, weights"
    assert to_plain(evidence(record(cell, "timeout"))) == ""


def test_the_paragraph_counts_statuses_and_checks() -> None:
    one, two, three = (f"dense/h5/2.12.1/{reader}" for reader in ENVIRONMENTS)
    drifts = drift(two, 1.0, ("weights", "outputs")), drift(three, 1.0)
    error = load_error("dense/keras/2.12.1/2.16.2", "x")
    assert counted(record(one), *drifts, error) == (
        "4 cells: ✗ drift 2 · ✗ load-error 1 · ✓ 1. Failed checks: outputs 2, weights 1."
    )
    assert counted(record(one)) == "1 cell: ✓ 1."
