from __future__ import annotations

import json
from importlib import resources

import pytest
from tfmatrix.core.status import WORST_FIRST, CheckStatus, Status
from tfmatrix.reports.site.data import table

SCRIPTS = sorted(resources.files("tfmatrix.reports.site").joinpath("static").iterdir(), key=lambda each: each.name)


@pytest.mark.parametrize("column", ["code", "sign", "meaning"])
def test_no_two_statuses_are_told_by_the_same(column: str) -> None:
    assert len({getattr(status, column) for status in Status}) == len(Status)


def test_a_status_is_read_from_its_name() -> None:
    assert [Status(status.value) for status in Status] == list(WORST_FIRST)
    assert [CheckStatus(status.value) for status in CheckStatus] == list(CheckStatus)
    with pytest.raises(ValueError, match="passed"):
        Status("passed")


def test_what_counts_as_what() -> None:
    assert {status.value for status in Status if status.is_incompatibility} == {
        "drift", "crash", "timeout", "load-error", "save-error",
    }  # fmt: skip
    assert {status.value for status in Status if status.is_unknown} == {"infra-error", "skipped"}
    assert {status.value for status in Status if not status.is_measured} == {"infra-error", "skipped", "unsupported"}


def test_the_sites_scripts_read_this_table() -> None:
    text = table()
    read = json.loads(text.removeprefix("const TABLE = ").removesuffix(";\n"))
    assert [(each["name"], each["code"], each["sign"], each["fails"]) for each in read["statuses"]] == [
        (status.value, status.code, status.sign, status.is_incompatibility) for status in WORST_FIRST
    ]


@pytest.mark.parametrize("script", [each for each in SCRIPTS if each.name.endswith(".js")], ids=lambda each: each.name)
def test_no_script_of_the_site_has_a_table_of_its_own(script) -> None:
    text = script.read_text("utf-8")
    own = [status.value for status in Status for quote in "\"'`" if f"{quote}{status.value}{quote}" in text]
    assert own == []
    assert [status.sign for status in Status if f'"{status.sign}"' in text and status.sign not in "…–!?"] == []
