from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tfmatrix.analysis.diff.changes import KINDS, Outcomes, Past, PastCell, compare
from tfmatrix.core.status import Status


def past(name, **outcomes):
    return Past(id=name, started="", finished="", set_name="", complete=True, counts={}, outcomes=outcomes)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("pass", "drift", "worse"),
        ("unsupported", "load-error", "worse"),
        ("drift", "pass", "better"),
        ("infra-error", "pass", "better"),
        ("drift", "crash", "other"),
        ("pass", "unsupported", "other"),
        ("pass", "infra-error", "measured_no_more"),
        (None, "pass", "added"),
        ("pass", None, "removed"),
        ("pass", "pass", None),
    ],
)
def test_kinds_of_change(before, after, kind):
    old = past("a", **({"cell": PastCell(Status(before))} if before else {}))
    new = past("b", **({"cell": PastCell(Status(after))} if after else {}))
    changes = compare(old, new)
    found = [
        name for name in ("worse", "better", "other", "measured_no_more", "added", "removed") if getattr(changes, name)
    ]
    assert found == ([kind] if kind else [])
    assert changes.unchanged == (kind is None)


def test_outcomes_are_a_mapping_of_ids() -> None:
    cells = {f"{name}/h5/a/{reader}": PastCell(Status.PASS, key=reader) for name in ("s", "s-2") for reader in "abc"}
    found = Outcomes.of(cells)
    assert dict(found) == cells
    assert len(found) == 6
    assert found["s-2/h5/a/b"].key == "b"
    assert "s/h5/a/d" not in found
    assert found.get("s/keras/a/a") is None
    assert (
        found.shared_with(Outcomes.of({cell: cells[cell] for cell in list(cells)[2:5]} | {"x": cells["s/h5/a/a"]})) == 3
    )


CELLS = [f"{name}/h5/{writer}/{reader}" for name in ("s", "t") for writer in "ab" for reader in "abc"]
STATES = [
    PastCell(Status.PASS),
    PastCell(Status.PASS, inferred=True),
    PastCell(Status.DRIFT, "C-1", 1.0),
    PastCell(Status.DRIFT, "C-1", 2.0, known=True),
    PastCell(Status.DRIFT, "C-2", inferred=True),
    PastCell(Status.INFRA_ERROR),
]
SOME = st.dictionaries(st.sampled_from(CELLS), st.sampled_from(STATES))


@given(SOME, SOME, st.dictionaries(st.sampled_from(["s/a", "s/b", "t/a"]), st.sampled_from([0.5, 1.5])))
def test_cells_are_compared_together_as_they_are_one_by_one(old, new, noise) -> None:
    before, after = replace(past("a", **old), noise=noise), past("b", **new)
    found = compare(before, after)
    expected: dict[str, list[str]] = {kind: [] for kind in KINDS}
    unchanged = 0
    for cell in sorted({*old, *new}):
        one = {cell: old[cell]} if cell in old else {}
        other = {cell: new[cell]} if cell in new else {}
        alone = compare(replace(before, outcomes=one), replace(after, outcomes=other))
        unchanged += alone.unchanged
        for kind, changes in alone.by_kind().items():
            assert [(each.cell, each.before, each.after) for each in changes] in (
                [],
                [(cell, *map(dict.get, (old, new), (cell, cell)))],
            )
            expected[kind] += [each.cell for each in changes]
    assert {kind: [each.cell for each in changes] for kind, changes in found.by_kind().items()} == expected
    assert found.unchanged == unchanged


def test_a_drift_grows_by_more_than_the_noise_of_its_writer() -> None:
    old = {f"s/h5/{writer}/a": PastCell(Status.DRIFT, "C-1", 1.0) for writer in "ab"}
    new = {cell: replace(state, difference=2.0) for cell, state in old.items()}
    changes = compare(replace(past("a", **old), noise={"s/a": 1.5}), past("b", **new))
    assert [change.cell for change in changes.grown] == ["s/h5/b/a"]
    assert changes.unchanged == 1


def test_outcomes_are_found_by_what_they_are() -> None:
    cells = {"s/h5/a/a": PastCell(Status.PASS), "s/h5/a/b": PastCell(Status.DRIFT), "t/h5/a/a": PastCell(Status.DRIFT)}
    drifts = Outcomes.of(cells).where(lambda state: state.status is Status.DRIFT)
    assert [cell for cell, _ in drifts] == ["s/h5/a/b", "t/h5/a/a"]
    assert [*Outcomes.of(cells).where(lambda state: True, "s")] == list(cells.items())[:2]


def test_changes_are_in_the_order_of_their_ids() -> None:
    cells = [f"{name}/h5/{writer}/a" for name in ("s", "s-2") for writer in ("2.15.1", "2.15.1+tf-keras", "2.2")]
    new = past("b", **{cell: PastCell(Status.PASS) for cell in reversed(cells)})
    assert [change.cell for change in compare(past("a"), new).added] == sorted(cells)


@pytest.mark.parametrize(("before", "kind"), [("pass", ["inferred"]), ("drift", [])])
def test_what_is_only_inferred_is_no_news(before, kind):
    new = past("b", cell=PastCell(Status.DRIFT, "C-2", inferred=True))
    changes = compare(past("a", cell=PastCell(Status(before), "C-1")), new)
    assert [name for name, cells in changes.by_kind().items() if cells] == kind
    assert not changes.alarming


def test_another_cause_of_the_same_status_is_a_change():
    changes = compare(past("a", x=PastCell(Status.DRIFT, "C-1")), past("b", x=PastCell(Status.DRIFT, "C-2")))
    assert [change.cell for change in changes.other] == ["x"]
