"""What the first screen, the search box, the strips and the formats' table are made of."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from site_runs import records, write_run
from tfmatrix.analysis.upgrades import every_upgrade
from tfmatrix.analysis.warnings import Advice, catalogue
from tfmatrix.core.status import Status
from tfmatrix.reports.heatmap import heat_map
from tfmatrix.reports.site import data, steps
from tfmatrix.reports.site.declarations import declared
from tfmatrix.reports.site.grid import Grid
from tfmatrix.reports.site.maps import counted_map, strips
from tfmatrix.reports.site.pages import Site

ENVIRONMENTS = ("2.14.1", "2.15.1", "2.16.2", "2.16.2+tf-keras", "2.20.0", "2.21.0", "nightly")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"), environments=ENVIRONMENTS, scenarios=3)


@pytest.fixture(scope="module")
def grid(run):
    return Grid.of(run)


def test_the_steps_that_people_ask_for(grid):
    assert steps.asked_for(grid) == [
        ("2.15.1", "2.16.2"),
        ("2.15.1", "2.21.0"),
        ("2.20.0", "2.21.0"),
        ("2.15.1", "2.16.2+tf-keras"),
        ("2.21.0", "nightly"),
        ("2.21.0", "2.15.1"),
    ]
    assert [steps.family(grid, name) for name in ENVIRONMENTS] == [
        "Keras 2", "Keras 2", "Keras 3", "tf-keras", "Keras 3", "Keras 3", "previews",
    ]  # fmt: skip


def test_the_format_that_held_most_often_is_named_first(grid):
    found = [each for each in steps.advice(grid) if (each.before, each.after) == ("2.15.1", "2.21.0")]
    assert [each.need for each in found] == ["the whole model, to train on"]
    shares = [kept.held / kept.measured for kept in found[0].formats]
    assert shares == sorted(shares, reverse=True)
    best = found[0].formats[0]
    cells = [r for r in grid.pairs["2.15.1", "2.21.0"] if r.format == best.format and r.status.is_measured]
    assert (best.held, best.measured) == (sum(r.status is Status.PASS for r in cells), len(cells))


def test_every_verdict_is_there_with_its_sentence(grid):
    upgrades = every_upgrade(grid.pairs, grid.environments)
    found = data.answers(grid, upgrades)
    size = len(grid.environments)
    for (before, after), upgrade in upgrades.items():
        place = grid.environments.index(before) * size + grid.environments.index(after)
        assert found["words"][found["verdicts"][place]] == upgrade.verdict.value
        assert found["sentences"][found["places"][place]] == upgrade.sentence


def test_the_search_box_knows_everything_and_its_addresses(grid):
    found = data.search(grid, catalogue(grid.run))
    assert {kind for kind, *_ in found} == {"scenario", "format", "version", "cause", "warning"}
    causes = {address: more for kind, _, address, more in found if kind == "cause"}
    assert set(causes) == {f"cause/{cause.id}.html" for cause in grid.causes}
    assert any("KerasSaveable" in more for more in causes.values())


def test_a_strip_for_each_class_of_writers(grid):
    block = grid.block("dense", "h5")
    found = strips(block, grid.environments, lambda record: record.cell)
    assert sorted(name for strip in found for name in strip.writers) == sorted(ENVIRONMENTS)
    assert len(found) < len(ENVIRONMENTS)
    for strip in found:
        first = [block[strip.writers[0], reader] for reader in ENVIRONMENTS]
        assert [field.link for field in strip.fields] == [record.cell for record in first]
        for writer in strip.writers:
            assert [block[writer, reader].status for reader in ENVIRONMENTS] == [record.status for record in first]
        turns = [b.reader for a, b in pairwise(first) if a.status is not b.status]
        assert list(strip.breaks) == turns


def test_terminal_and_site_count_the_same(run, grid):
    site = counted_map(grid.tallies, ENVIRONMENTS, lambda writer, reader: "", "")
    terminal = heat_map(grid.squares.counts_by_pair(), ENVIRONMENTS)
    for (_, fields), (_, marks) in zip(site.rows, terminal.rows, strict=True):
        for field, mark in zip(fields, marks, strict=True):
            assert field.sign == mark.text[0]
            passed, measured = int(field.figure or 0), int(field.total.strip("/*") or 0)
            if mark.status.is_incompatibility:
                assert mark.text.strip("≠!…✗⊗*") == str(measured - passed)
            assert field.total.endswith("*") == mark.text.endswith("*")


def test_the_head_says_how_much_of_the_field_is_what(tmp_path):
    cells = list(records("x", ("2.15.1", "2.16.2"), 2))
    cells[1] = replace(cells[1], inferred={"from": cells[0].cell, "by": "reader"}, status=Status.PASS)
    audit = {"inferred": 1, "measured": 7, "audit": {"cells": 10, "wrong": 0, "upper_bound": 0.26}}
    run = write_run(
        tmp_path, environments=("2.15.1", "2.16.2"), scenarios=2, cells=cells[:-1], changes={"inference": audit}
    )
    site = Site(Grid.of(run), {}, (), (), (), "run")
    assert "1 inferred, at most 26 % of them wrong" in site.coverage
    assert site.coverage.endswith(f"; 1 of {len(cells)} not asked.")


def test_may_one_ignore_a_warning(run):
    found = catalogue(run)
    for entry in found.entries:
        rest = found.without(entry)
        assert rest.cells + entry.prediction.cells == found.cells.cells
    sure = replace(found.entries[0], prediction=replace(found.entries[0].prediction, cells=40, failed=0))
    assert found.advice(sure) is Advice.IGNORE
    assert found.advice(replace(sure, prediction=replace(sure.prediction, failed=40))) is Advice.HEED
    assert found.advice(replace(sure, prediction=replace(sure.prediction, cells=2, failed=2))) is Advice.TOO_FEW
    hidden = replace(sure, channel="python", category="DeprecationWarning", id="W-0")
    assert replace(found, entries=(hidden, sure)).ranked() == [sure, hidden]


def test_every_format_of_ours_says_what_writes_and_reads_it():
    found = declared()
    assert {"h5", "keras", "savedmodel", "weights-h5", "tflite", "custom"} <= set(found)
    assert found["h5"].save == "model.save(PATH)"
    assert found["savedmodel-raw"].save == found["savedmodel"].save
    assert all(each.title and each.load and each.promises for each in found.values())
