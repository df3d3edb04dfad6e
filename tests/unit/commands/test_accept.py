"""Proposed known failures: they cover what failed, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from run_builder import article_run
from tfmatrix.analysis.causes import unreviewed
from tfmatrix.analysis.squares import Squares
from tfmatrix.commands.accept import add_entries, covering_globs, proposals
from tfmatrix.core.ids import CellId
from tfmatrix.core.status import Status
from tfmatrix.project.config import load_known_failures
from tfmatrix.reports.render import render

CELLS = st.builds(
    CellId,
    scenario=st.sampled_from(["a", "b", "c"]),
    format=st.sampled_from(["h5", "keras"]),
    writer=st.sampled_from(["2.12.1", "2.16.2@today", "2.16.2+tf-keras"]),
    reader=st.sampled_from(["2.12.1", "2.16.2@today", "2.21.0"]),
)
ALL = [
    CellId(scenario=s, format=f, writer=w, reader=r)
    for s in ("a", "b", "c")
    for f in ("h5", "keras")
    for w in ("2.12.1", "2.16.2@today", "2.16.2+tf-keras")
    for r in ("2.12.1", "2.16.2@today", "2.21.0")
]


@settings(deadline=None)  # files
@given(st.sets(CELLS, min_size=1))
def test_the_globs_match_these_cells_and_no_others(tmp_path_factory, cells: set[CellId]) -> None:
    path = tmp_path_factory.mktemp("known") / "known_failures.yaml"
    add_entries(path, [{"cells": covering_globs(cells), "status": "drift", "reason": "measured"}])
    (entry,) = load_known_failures(path)
    assert {cell for cell in ALL if entry.matches(cell, Status.DRIFT)} == cells


def test_a_full_rectangle_is_one_glob() -> None:
    assert covering_globs(ALL) == [
        "{a,b,c}/{h5,keras}/{2.12.1,2.16.2+tf-keras,2.16.2@today}/{2.12.1,2.16.2@today,2.21.0}"
    ]


def test_comments_and_earlier_entries_stay(tmp_path: Path) -> None:
    path = tmp_path / "known_failures.yaml"
    path.write_text(
        "# reviewed by people\nschema: 1\nentries:\n  - cells: a/h5  # all of it\n    status: drift\n    reason: old\n"
    )
    assert add_entries(path, [{"cells": ["b/h5/x/y"], "status": "load-error", "reason": "new: one"}]) == 1
    assert "# reviewed by people" in path.read_text()
    assert "# all of it" in path.read_text()
    assert [entry.reason for entry in load_known_failures(path)] == ["old", "new: one"]


def test_an_empty_list_becomes_a_readable_one(tmp_path: Path) -> None:
    path = tmp_path / "known_failures.yaml"
    path.write_text("schema: 1\nentries: []\n")
    add_entries(path, [{"cells": ["b/h5/x/y"], "status": "drift", "reason": "new"}])
    assert "entries: [" not in path.read_text()
    assert load_known_failures(path)[0].cells == ("b/h5/x/y",)


def test_an_entry_says_what_a_reviewer_asks_for_and_that_nobody_was_one(tmp_path: Path) -> None:
    path = tmp_path / "known_failures.yaml"
    (proposed,) = proposals(article_run(), date(2026, 11, 28))
    add_entries(path, [proposed])
    assert "reviewed: null" in path.read_text()
    (entry,) = load_known_failures(path)
    assert not entry.is_reviewed
    assert entry.until == "2027-02-26"
    assert entry.checks == ("optimizer",)
    for words in ("optimizer failed. Cause C-", "first bad version: 2.16.2 as reader", "Remedy: none was tried"):
        assert words in entry.reason
    path.write_text(path.read_text().replace("reviewed: null", "reviewed: ada, 2026-12-01"))
    assert load_known_failures(path)[0].is_reviewed


def test_what_nobody_reviewed_is_counted_apart() -> None:
    run = article_run()
    known = {record.cell for record in run.records if record.known}
    entry = {"cells": ["**"], "status": ["drift", "load-error"], "reason": "r", "reviewed": False}
    run = replace(run, header=run.header | {"known_failures": [entry]})
    assert set(unreviewed(run, Squares.of(run))) == known
    said = " ".join(render(run).split())
    assert f"{len(known)} known ({len(known)} of them accepted, reviewed by nobody)" in said
    by_hand = {"cells": ["custom_layer/**"], "status": ["drift", "load-error"], "reason": "r"}
    run = replace(run, header=run.header | {"known_failures": [entry, by_hand]})
    assert set(unreviewed(run, Squares.of(run))) == {cell for cell in known if not cell.startswith("custom_layer/")}
