"""Proposed known failures: they cover what failed, and nothing else."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tfmatrix.commands.accept import add_entries, covering_globs
from tfmatrix.core.ids import CellId
from tfmatrix.core.status import Status
from tfmatrix.project.config import load_known_failures

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
