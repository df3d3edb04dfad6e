from __future__ import annotations

import pytest
from tfmatrix.analysis.diff.changes import Outcomes, Past, PastCell, compare
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
