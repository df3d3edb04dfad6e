"""Records of older versions, as they were written then."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from repository import ROOT
from tfmatrix.checks.contract import COMMON
from tfmatrix.checks.registry import checks
from tfmatrix.core.records import RECORD_SCHEMA, CellRecord, Finding
from tfmatrix.store.migrate import COMMON_SENTENCES_OF_1, SENTENCES_OF_1, migrated

PUBLISHED = sorted((ROOT / "results/published").glob("*/cells.jsonl.gz"))


def old(checks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A record of schema 1."""
    return {
        "schema": 1, "run": "r", "cell": "s/h5/a/b", "scenario": "s", "format": "h5", "writer": "a", "reader": "b",
        "status": "drift", "failed_checks": list(checks), "checks": checks, "remedies": [],
        **fields,
    }  # fmt: skip


def findings(check: str, *sentences: str, status: str = "fail") -> list[tuple[str, str, dict[str, Any]]]:
    record = migrated(old({check: {"status": status, "detail": list(sentences)}}))
    found = CellRecord.from_json(record).findings(check)
    return [(each.code, each.subject, dict(each.figures)) for each in found]


def test_every_code_of_a_step_is_in_the_list_of_its_check() -> None:
    for name, forms in SENTENCES_OF_1.items():
        for _, codes in forms:
            assert set(codes.split("|")) <= checks()[name].kinds.keys(), name
    assert {code for _, code in COMMON_SENTENCES_OF_1} <= COMMON.keys()


@pytest.mark.parametrize("path", PUBLISHED, ids=[path.parent.name for path in PUBLISHED])
def test_a_published_run_says_what_it_said(path: Any) -> None:
    """The findings that are made of the sentences give the same sentences, and the status that the check had."""
    known, count = checks(), 0
    for line in gzip.decompress(path.read_bytes()).splitlines():
        before = json.loads(line)
        record = migrated(before)
        for name, check in record["checks"].items():
            found = [Finding.from_json(each) for each in check["findings"]]
            assert [known[name].sentence(each) for each in found] == before["checks"][name].get("detail", [])
            statuses = {known[name].kinds[each.code].status for each in found}
            assert check["status"] == next(
                (status for status in ("error", "fail", "not-applicable") if status in statuses), "pass"
            )
            assert "said" not in {each.code for each in found}
            count += len(found)
    assert count > 500


def test_sentences_become_what_they_were_made_of() -> None:
    assert findings("signatures", "signature 'a is missing' is missing", "serve.outputs: 'x' is missing") == [
        ("missing", "a is missing", {}),
        ("output-missing", "serve", {"name": "x"}),
    ]
    assert findings("weights", "d/k: all 8 values are 0 now", "d/b float32[8] is missing") == [
        ("reset", "d/k", {"elements": 8, "value": 0}),
        ("missing", "d/b", {"dtype": "float32", "shape": [8]}),
    ]
    assert findings("optimizer", "momentum of d/k is missing", "iterations 3 → 0") == [
        ("missing", "d/k", {"slot": "momentum"}),
        ("iterations", "", {"before": 3, "after": 0}),
    ]


def test_a_note_and_a_loss_of_the_same_words_are_told_apart_by_the_status() -> None:
    said = "3 of 9 weights that training moves end elsewhere, by up to 0.1"
    assert findings("resume", said)[0][0] == "weights"
    assert findings("resume", said, status="pass")[0][0] == "some-weights"


def test_what_was_cut_off_or_has_another_form_says_so() -> None:
    assert findings("weights", "something else. More.", "… and 81 more") == [
        ("said", "", {"sentence": "something else. More."}),
        ("more", "", {"count": 81}),
    ]
    paths = {"status": "fail", "detail": [], "differences": ["a.units", "… and 3 more"], "aside": []}
    assert migrated(old({"config": paths}))["checks"]["config"]["differences"] == ["a.units"]


def test_tries_of_remedies_get_their_checks() -> None:
    tries = [
        {"name": "compile=False", "status": "drift", "detail": "brings back outputs, weights; not optimizer, resume"},
        {"name": "nothing", "status": "drift", "detail": "brings back nothing; not outputs"},
        {"name": "reworded", "status": "drift", "detail": "brings back outputs; but not weights"},
        {"name": "failed", "status": "load-error", "detail": "ValueError: brings back"},
    ]
    found = migrated(old({}, remedies=tries))["remedies"]
    assert [(each.get("held"), each.get("missing")) for each in found] == [
        (["outputs", "weights"], ["optimizer", "resume"]),
        ([], ["outputs"]),
        (None, None),
        (None, None),
    ]


def test_todays_records_are_left_alone() -> None:
    record = {"schema": RECORD_SCHEMA}
    assert migrated(record) is record
