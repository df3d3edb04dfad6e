"""A run as arrays says the same as its records, one by one."""

from __future__ import annotations

from collections import Counter

import pytest
from run_builder import article_run, record, run_of
from tfmatrix.analysis.looks import Look
from tfmatrix.analysis.squares import NONE, Squares
from tfmatrix.core.globs import CELL_SEGMENTS, GlobSet
from tfmatrix.core.records import CellRecord


@pytest.fixture(scope="module")
def run():
    return article_run()


@pytest.fixture(scope="module")
def squares(run):
    return Squares.of(run)


def test_every_cell_stands_where_its_record_says(run, squares):
    for place, each in enumerate(run.records):
        block = squares.blocks[each.scenario, each.format]
        kind = block[squares.places[each.writer], squares.places[each.reader]]
        assert squares.examples[kind].result is each.result
        assert place in squares.members[each.scenario, each.format]
    assert sum(int((block != NONE).sum()) for block in squares.blocks.values()) == len(run.records)


def test_pairs_are_counted_as_one_by_one(run, squares):
    expected: dict[tuple[str, str], Counter[Look]] = {}
    for each in run.records:
        expected.setdefault((each.writer, each.reader), Counter())[Look.of(each)] += 1
    assert squares.counts_by_pair() == expected
    failing = squares.counts_by_pair(holds=lambda each: each.status.is_incompatibility)
    assert all(look.status.is_incompatibility for counts in failing.values() for look in counts)


@pytest.mark.parametrize("patterns", [("**",), ("*/h5",), ("**/2.15.1",), ("{a,custom_layer}/*/2.1?.1/*", "no/such")])
def test_globs_cover_what_they_cover_cell_by_cell(run, squares, patterns):
    globs = GlobSet(patterns, segments=CELL_SEGMENTS)
    covered = squares.covered(patterns)
    for each in run.records:
        mask = covered.get((each.scenario, each.format))
        found = mask is not None and mask[squares.places[each.writer], squares.places[each.reader]]
        assert bool(found) == globs.matches(each.cell)


def test_what_is_asked_once_is_what_each_example_says(squares):
    def said(each):
        return each.status, each.failed_checks, each.format

    values, places = squares.distinct(said, "status", "failed_checks", "format")
    assert [values[place] for place in places] == [*map(said, squares.examples)]
    assert values == tuple(dict.fromkeys(map(said, squares.examples)))
    known = squares.each(lambda each: each.known, bool, "known")
    assert known.tolist() == [each.known for each in squares.examples]


def test_cells_that_share_a_result_are_of_one_kind_in_each_format():
    first = record("a/h5/2.12.1/2.12.1")
    cells = [CellRecord.at(first.result, "a", fmt, "2.12.1", "2.15.1") for fmt in ("h5", "keras")]
    squares = Squares.of(run_of([first, *cells]))
    assert squares.kind.tolist() == [0, 0, 1]
    assert [(each.format, count) for each, count in squares.counted(squares.kind)] == [("h5", 2), ("keras", 1)]


def test_a_run_without_cells_has_no_square():
    squares = Squares.of(run_of([]))
    assert not squares.blocks
    assert not squares.counts_by_pair()
