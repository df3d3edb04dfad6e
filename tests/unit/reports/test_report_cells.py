from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from run_builder import drift, load_error, record
from tfmatrix.analysis.looks import Counts, Look
from tfmatrix.core.records import CellRecord
from tfmatrix.core.text import Inline, joined, to_plain
from tfmatrix.reports.cells import cell_lines, counted, counted_lines, legend

CELL = "dense/h5/2.12.1/2.16.2"


def texts(lines: Iterable[Inline]) -> tuple[str, ...]:
    return tuple(map(to_plain, lines))


@pytest.mark.parametrize(
    ("cell", "lines"),
    [
        (record(CELL), ("✓",)),
        (record(CELL, "unsupported"), ("–",)),
        (record(CELL, inferred={"from": "dense/h5/2.15.1/2.16.2", "by": "artifact"}), ("✓≈",)),
        (record(CELL, "skipped"), ("skipped",)),
        (record(CELL, "infra-error"), ("infra-error",)),
        (record(CELL, "timeout", known=True), ("timeout*",)),
        (drift(CELL, 3.04e-4), ("drift 3e-4",)),
        (drift(CELL, "inf"), ("drift inf",)),
        (drift(CELL, 3e-4, ("outputs", "weights"), known=True, promised=True), ("drift 3e-4*†",)),
        (drift(CELL, None, ("optimizer",)), ("drift", "optimizer")),
        (drift(CELL, None, ("weights", "optimizer", "resume")), ("drift", "weights+2")),
        # The outputs have other shapes: there is no difference to show.
        (drift(CELL, 0.0), ("drift", "outputs")),
        (drift(CELL, None, ()), ("drift",)),
        (load_error(CELL, "no", remedy="compile=False"), ("load-error", "✗→✓ compile=False")),
        (load_error(CELL, "no", flaky=True), ("load-error~",)),
        (record(CELL, fixed=True, flaky=True), ("✓!~",)),
        # A promise that is kept is no news.
        (record(CELL, promised=True), ("✓",)),
    ],
)
def test_cells(cell: CellRecord, lines: tuple[str, ...]) -> None:
    assert texts(cell_lines(cell)) == lines


def test_nan_on_one_side_is_shown_as_nan() -> None:
    checks = {"outputs": {"status": "fail", "max_abs": 0.0, "nan_mismatches": 3}}
    assert texts(cell_lines(record(CELL, "drift", failed_checks=("outputs",), checks=checks))) == ("drift nan",)


def test_counts_name_every_status_the_worst_first() -> None:
    cells = [record(CELL), record(CELL), load_error(CELL, "x"), drift(CELL, 1.0), record(CELL, "unsupported")]
    assert to_plain(counted(counts(cells))) == "✗ drift 1 · ✗ load-error 1 · ✓ 2 · – 1"
    assert texts(counted_lines(counts(cells))) == ("✗2 ✓2 –1", "drift")


def test_a_star_stands_only_where_all_are_known() -> None:
    known, new = load_error(CELL, "x", known=True), load_error(CELL, "x")
    assert to_plain(counted(counts([known, known, record(CELL)]))) == "✗ load-error 2* · ✓ 1"
    assert to_plain(counted(counts([known, new]))) == "✗ load-error 2"
    assert texts(counted_lines(counts([known, known, record(CELL)]))) == ("✗2* ✓1", "load-error")
    assert texts(counted_lines(counts([known, drift(CELL, 1.0)]))) == ("✗2", "drift")


def test_narrow_counts_name_nothing_where_nothing_is_wrong() -> None:
    assert texts(counted_lines(counts([record(CELL), record(CELL, "unsupported")]))) == ("✓1 –1",)
    assert texts(counted_lines(counts([record(CELL, "infra-error"), record(CELL)]))) == ("?1 ✓1", "infra-error")


def counts(cells: list[CellRecord]) -> Counts:
    return Counter(map(Look.of, cells))


def explained(cells: list[CellRecord], *extra: Inline) -> list[str]:
    shown = [joined(cell_lines(cell), " ") for cell in cells]
    return [to_plain(line) for line in legend({cell.status for cell in cells}, [*shown, *extra])]


def test_the_legend_explains_what_occurs_and_nothing_else() -> None:
    assert explained([record(CELL)]) == ["✓ pass: loaded, and every check held"]
    lines = explained([drift(CELL, 1e-3, known=True), record(CELL, flaky=True)], ())
    assert [line.split(":")[0] for line in lines] == [
        "✗ drift", "✓ pass", "* known", "~ flaky", "an empty cell is not part of this run",
    ]  # fmt: skip
    assert "largest absolute difference" in lines[0]
    assert (
        "largest absolute difference"
        not in explained([drift(CELL, None, ("optimizer",))], counted(counts([drift(CELL, 1e-3)])))[0]
    )


def test_the_legend_takes_no_mark_from_a_remedy() -> None:
    lines = explained([load_error(CELL, "no", remedy="a!b~c*")])
    assert [line.split(" ")[0] for line in lines] == ["✗", "✗→✓"]


def test_counts_say_that_some_are_inferred() -> None:
    inferred = record("dense/keras/2.12.1/2.16.2", inferred={"from": CELL, "by": "reader"})
    assert to_plain(counted(counts([record(CELL), inferred]))) == "✓ 2≈"
    assert texts(counted_lines(counts([record(CELL), inferred]))) == ("✓2≈",)
    explained = texts(legend({inferred.status}, cell_lines(inferred)))
    assert any("inferred, not measured" in line for line in explained)
