"""known_failures.yaml: entries, what they match, when they end, and errors with their lines."""

from __future__ import annotations

import textwrap
from datetime import date
from pathlib import Path

import pytest
from tfmatrix.core.errors import ConfigError
from tfmatrix.core.ids import CellId
from tfmatrix.core.status import Status
from tfmatrix.project.config import KnownFailure, expired, load_known_failures

FILE = Path("known_failures.yaml")
CELL = CellId.parse("optimizer_state/h5/2.15.1/2.16.2")
ONE = KnownFailure(cells=("optimizer_state/h5",), status=(Status.DRIFT, Status.CRASH), reason="Known.")


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def error_of(text: str) -> str:
    FILE.write_text(textwrap.dedent(text), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_known_failures(FILE)
    return str(caught.value)


def test_entries_are_read_with_their_lines() -> None:
    FILE.write_text(
        textwrap.dedent(
            """\
            schema: 1
            entries:
              - cells: optimizer_state/h5/{2.12.1,2.15.1}/2.16.2
                status: drift
                reason: Keras 3 does not read the optimizer's state of Keras 2.
                link: https://github.com/keras-team/keras/issues/1
                until: 2026-12-31

              - cells: ["dense/**", "**/2.21.0"]
                status: [load-error, timeout]
                reason: >
                  Long
                  reason.
                until: "2.22.0"
            """
        )
    )
    first, second = load_known_failures(FILE)
    assert first == KnownFailure(
        cells=("optimizer_state/h5/{2.12.1,2.15.1}/2.16.2",),
        status=(Status.DRIFT,),
        reason="Keras 3 does not read the optimizer's state of Keras 2.",
        link="https://github.com/keras-team/keras/issues/1",
        until="2026-12-31",
        line=3,
    )
    assert (second.cells, second.status) == (("dense/**", "**/2.21.0"), (Status.LOAD_ERROR, Status.TIMEOUT))
    assert (second.reason, second.link, second.until, second.line) == ("Long reason.", None, "2.22.0", 9)


def test_a_missing_file_is_no_entries_and_so_is_an_empty_list() -> None:
    assert load_known_failures(FILE) == ()
    FILE.write_text("schema: 1\nentries: []\n")
    assert load_known_failures(FILE) == ()


@pytest.mark.parametrize(
    ("cell", "status", "known"),
    [
        ("optimizer_state/h5/2.15.1/2.16.2", Status.DRIFT, True),
        ("optimizer_state/h5/2.15.1/2.16.2", Status.CRASH, True),
        ("optimizer_state/h5/2.15.1/2.16.2", Status.LOAD_ERROR, False),
        ("optimizer_state/h5/2.15.1/2.16.2", Status.PASS, False),
        ("optimizer_state/keras/2.15.1/2.16.2", Status.DRIFT, False),
        ("dense/h5/2.15.1/2.16.2", Status.DRIFT, False),
    ],
)
def test_a_cell_is_known_by_its_id_and_its_status(cell: str, status: Status, known: bool) -> None:
    assert ONE.matches(CellId.parse(cell), status) is known


@pytest.mark.parametrize(
    ("status", "failed", "known"),
    [
        (Status.DRIFT, ["signatures"], True),
        (Status.DRIFT, ["signatures", "learning"], False),
        (Status.CRASH, [], True),
    ],
)
def test_of_a_drift_any_other_check_is_news(status: Status, failed: list[str], known: bool) -> None:
    entry = KnownFailure(cells=ONE.cells, status=ONE.status, reason="Known.", checks=("signatures",))
    assert entry.matches(CELL, status, failed) is known


def test_checks_are_read_and_a_name_that_is_none_is_told() -> None:
    FILE.write_text(entry(checks="[signatures, resume]"))
    assert load_known_failures(FILE)[0].checks == ("signatures", "resume")
    assert 'did you mean "signatures"?' in error_of(entry(checks="signature"))


def test_an_entry_covers_a_cell_whatever_its_status() -> None:
    assert ONE.covers(CELL)
    assert not ONE.covers(CellId.parse("dense/h5/2.15.1/2.16.2"))


def test_as_json_for_the_run() -> None:
    assert ONE.to_json() == {
        "cells": ["optimizer_state/h5"],
        "status": ["drift", "crash"],
        "reason": "Known.",
        "checks": [],
        "link": None,
        "until": None,
        "reviewed": True,
    }


@pytest.mark.parametrize(
    ("until", "today", "versions", "ended"),
    [
        (None, "2099-01-01", ["9.9.9"], False),
        ("2026-12-31", "2026-12-31", [], False),
        ("2026-12-31", "2027-01-01", [], True),
        ("2.22.0", "2099-01-01", ["2.21.0", "nightly"], False),
        ("2.22.0", "2020-01-01", ["2.22.0rc0"], False),
        ("2.22.0", "2020-01-01", ["2.21.0", "2.22.0"], True),
        ("2.22.0", "2020-01-01", ["2.100.0"], True),
    ],
)
def test_an_entry_ends_by_date_or_by_version(until: str | None, today: str, versions: list[str], ended: bool) -> None:
    entry = KnownFailure(cells=("**",), status=(Status.DRIFT,), reason="Known.", until=until)
    other = KnownFailure(cells=("**",), status=(Status.DRIFT,), reason="Known.")
    day = date.fromisoformat(today)
    assert entry.is_expired(day, versions) is ended
    assert expired([other, entry], day, iter(versions)) == ((entry,) if ended else ())


def entry(**changes: str) -> str:
    keys = {"cells": "dense", "status": "drift", "reason": "Because.", **changes}
    lines = [f"{key}: {value}" for key, value in keys.items() if value]
    return "schema: 1\nentries:\n  - " + "\n    ".join(lines) + "\n"


STATUSES = "one of: drift, crash, timeout, load-error, save-error"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- cells: dense\n", "1: the file holds a list\n  expected: a mapping (key: value) that begins with schema: 1"),
        ("schema: 1\n", '1: entries: the key "entries" is missing\n  expected: entries: …'),
        (
            "schema: 2\nentries: []\n",
            "1: schema: schema 2 is newer than this tfmatrix reads\n"
            "  expected: schema: 1\n  to fix:   upgrade tfmatrix",
        ),
        (
            entry(cels="dense", cells=""),
            '5: entries[0].cels: unknown key "cels"\n'
            "  expected: one of: cells, status, reason, checks, link, until, reviewed\n"
            '  to fix:   did you mean "cells"?',
        ),
        (
            entry(reson="x"),
            '6: entries[0].reson: unknown key "reson"\n'
            "  expected: one of: cells, status, reason, checks, link, until, reviewed\n"
            '  to fix:   did you mean "reason"?',
        ),
        (entry(reason=""), '3: entries[0].reason: the key "reason" is missing\n  expected: reason: …'),
        (entry(reason="' '"), "5: entries[0].reason: an empty text\n  expected: a text that says something"),
        (
            entry(status="drfit"),
            f'4: entries[0].status: "drfit" is not a status\n  expected: {STATUSES}\n  to fix:   did you mean "drift"?',
        ),
        (
            entry(status="[drift, pass]"),
            f'4: entries[0].status[1]: "pass" is not an incompatibility\n  expected: {STATUSES}',
        ),
        (
            entry(status="infra-error"),
            f'4: entries[0].status: "infra-error" is not an incompatibility\n  expected: {STATUSES}',
        ),
        (entry(status="[]"), "4: entries[0].status: an empty list\n  expected: at least one entry"),
        (entry(cells="[]"), "3: entries[0].cells: an empty list\n  expected: at least one entry"),
        (
            entry(cells="a/b/c/d/e"),
            '3: entries[0].cells: bad pattern "a/b/c/d/e": 5 segments, where an id has 4\n'
            "  expected: a glob on cell ids: scenario/format/writer/reader",
        ),
        (
            entry(cells="[dense, '[x']"),
            '3: entries[0].cells[1]: bad pattern "[x": "[" without "]"\n'
            "  expected: a glob on cell ids: scenario/format/writer/reader",
        ),
        (
            entry(link="github.com/x"),
            '6: entries[0].link: "github.com/x" is not a link\n'
            "  expected: an address that begins with https:// or http://",
        ),
        (
            entry(until="soon"),
            '6: entries[0].until: "soon" is neither a date nor a version\n'
            '  expected: a date such as 2026-12-31, or a TensorFlow version such as "2.22.0"',
        ),
        (
            entry(until="2.30"),
            "6: entries[0].until: YAML reads 2.30 as the number 2.3\n"
            '  expected: a string\n  to fix:   write "2.30" in quotes',
        ),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    assert error_of(text) == f"known_failures.yaml:{message}"
