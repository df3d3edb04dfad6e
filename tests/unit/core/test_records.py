from __future__ import annotations

import sys
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest
from tfmatrix.core.records import RECORD_FIELDS, CellRecord
from tfmatrix.core.status import Status

PLACE = {"scenario": "dense", "format": "h5", "writer": "2.12.1", "reader": "2.21.0"}


def record(**more: Any) -> CellRecord:
    return CellRecord(run="r1", cell="dense/h5/2.12.1/2.21.0", **PLACE, status=Status.DRIFT, **more)


FULL: dict[str, Any] = {
    "known": True,
    "fixed": True,
    "flaky": True,
    "promised": True,
    "failed_checks": ("outputs",),
    "checks": {"outputs": {"status": "fail"}},
    "save": {"status": "ok"},
    "load": {"status": "ok", "seconds": 1.0},
    "error": {"phase": "load"},
    "remedies": ({"name": "x", "status": "pass"},),
    "remedy": "x",
    "attribution": {"numerics": True},
    "artifact": {"digest": "d"},
    "key": "k",
    "cached": True,
    "seconds": 2.5,
    "inferred": {"from": "dense/h5/2.12.1/2.12.1", "by": "reader"},
    "schema": 1,
}


def test_every_field_is_what_was_given() -> None:
    assert set(FULL) | {"run", "cell", "status", *PLACE} == {each.name for each in fields(CellRecord)}
    made = record(**FULL)
    assert {name: getattr(made, name) for name in FULL} == FULL
    assert (made.run, made.cell, made.status) == ("r1", "dense/h5/2.12.1/2.21.0", Status.DRIFT)


@pytest.mark.parametrize("name", FULL)
def test_a_change_of_one_field_leaves_the_others_and_the_first_record(name: str) -> None:
    plain = record()
    changed = plain.but(**{name: FULL[name]})
    assert changed == replace(plain, **{name: FULL[name]})
    assert getattr(changed, name) == FULL[name] != getattr(plain, name)
    assert changed != plain == record()
    others = [each.name for each in fields(CellRecord) if each.name != name]
    assert [getattr(changed, each) for each in others] == [getattr(plain, each) for each in others]


def test_records_are_made_field_by_field() -> None:
    one, other = record(), record(**FULL)
    places = [["dense", "lstm"], ["h5", "keras"], ["2.12.1", "2.15.1"], ["2.21.0", "2.15.1"]]
    made = CellRecord.at_each(2, [one.result, other.result], *places)
    assert made == [one, CellRecord.at(other.result, "lstm", "keras", "2.15.1", "2.15.1")]
    assert made[0].result is one.result


def test_defaults_are_not_shared() -> None:
    assert record().checks == {}
    assert record().checks is not record().checks


def test_a_record_is_frozen() -> None:
    made = record()
    for name in ("known", "reader", "cell", "other"):
        with pytest.raises(FrozenInstanceError):
            setattr(made, name, "x")


def test_run_and_status_and_place_are_needed() -> None:
    with pytest.raises(TypeError, match="'run'"):
        CellRecord()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="'status'"):
        CellRecord(run="r1", cell="", **PLACE)  # type: ignore[call-arg]


def test_the_record_of_another_cell_shares_what_it_came_to() -> None:
    made = record(**FULL)
    other = CellRecord.at(made.result, "dense", "h5", "2.12.1", "nightly")
    assert other == replace(made, reader="nightly")
    assert other.cell == "dense/h5/2.12.1/nightly"
    assert other.checks is made.checks


def test_a_record_takes_what_its_place_takes() -> None:
    made = record()
    assert sys.getsizeof(CellRecord.at(made.result, **PLACE)) <= 80


def test_json_and_back() -> None:
    made = record(**FULL)
    assert tuple(made.to_json()) == RECORD_FIELDS
    assert CellRecord.from_json(made.to_json()) == made
    older = {name: value for name, value in made.to_json().items() if name != "inferred"}
    assert CellRecord.from_json(older) == replace(made, inferred=None)
