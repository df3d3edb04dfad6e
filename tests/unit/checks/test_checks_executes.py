"""Cells whose artifact holds planted code: whether it ran is what they are judged by."""

from __future__ import annotations

import pytest
from tfmatrix.checks.verdict import judge
from tfmatrix.core.outcome import Outcome
from tfmatrix.core.status import Status

OK = Outcome(status="ok")
REFUSED = {"type": "ValueError", "message": "a Python lambda is unsafe", "traceback": ""}


def loaded(status: str, executed: bool | None) -> Outcome:
    error = None if status == "ok" else REFUSED
    return Outcome(status=status, phase="load" if error else None, error=error, executed=executed)


@pytest.mark.parametrize(
    ("status", "executed", "expected", "failed"),
    [
        ("ok", False, Status.PASS, ()),
        ("error", False, Status.LOAD_ERROR, ("load",)),
        ("ok", True, Status.DRIFT, ("executes",)),
        ("error", True, Status.LOAD_ERROR, ("load", "executes")),
        # Nothing is known of a process that ended.
        ("crash", None, Status.CRASH, ("load",)),
        ("error", None, Status.LOAD_ERROR, ("load",)),
    ],
)
def test_only_what_ran_fails_the_check_and_what_is_refused_is_an_error_of_loading(
    status: str, executed: bool | None, expected: Status, failed: tuple[str, ...]
) -> None:
    verdict = judge(OK, loaded(status, executed), None)
    assert (verdict.status, verdict.failed_checks) == (expected, failed)
    assert ("executes" in verdict.checks) is (executed is not None)


def test_a_refusal_is_told() -> None:
    verdict = judge(OK, loaded("error", executed=False), None)
    assert verdict.error is not None
    assert verdict.error["message"] == "a Python lambda is unsafe"
    assert verdict.checks["load"]["detail"] == ["ValueError: a Python lambda is unsafe"]
    assert verdict.checks["executes"]["status"] == "pass"
