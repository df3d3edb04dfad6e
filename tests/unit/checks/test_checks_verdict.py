from __future__ import annotations

from typing import Any

import pytest
from tfmatrix.checks.verdict import judge
from tfmatrix.core.outcome import Outcome
from tfmatrix.core.status import Status

ERROR = {"type": "ValueError", "message": "Unknown layer: 'MyLayer'", "traceback": "Traceback …"}


OK = Outcome(status="ok")


def check(status: str) -> dict[str, Any]:
    return {"status": status, "findings": [], "detail": []}


CHECKS = {"outputs": check("pass"), "weights": check("pass"), "optimizer": check("not-applicable")}


def test_pass() -> None:
    verdict = judge(OK, OK, CHECKS)
    assert (verdict.status, verdict.failed_checks, verdict.error) == (Status.PASS, (), None)
    assert list(verdict.checks) == ["load", "outputs", "weights", "optimizer", "warnings"]


def test_drift_names_the_failed_checks_in_order() -> None:
    verdict = judge(OK, OK, {"resume": check("error"), "outputs": check("fail"), "weights": check("pass")})
    assert (verdict.status, verdict.failed_checks) == (Status.DRIFT, ("outputs", "resume"))


def test_load_error() -> None:
    verdict = judge(OK, Outcome(status="error", phase="load", error=ERROR), None)
    assert (verdict.status, verdict.failed_checks) == (Status.LOAD_ERROR, ("load",))
    assert verdict.error == {"phase": "load", **ERROR}
    assert verdict.checks["load"]["detail"] == ["ValueError: Unknown layer: 'MyLayer'"]


@pytest.mark.parametrize("load", [OK, Outcome(status="error", phase="load", error=ERROR)])
def test_what_a_tflite_file_says_it_needs_is_told(load: Outcome) -> None:
    saved = Outcome(status="ok", artifact={"digest": "d", "name": "m.tflite", "kind": "tflite", "runtime": "2.4.0"})
    found = judge(saved, load, CHECKS if load is OK else None).checks["load"]
    assert found["detail"][-1] == "the file says that it needs the interpreter of TensorFlow 2.4.0 or newer"
    assert found["status"] == ("pass" if load is OK else "fail")


def test_save_error_is_the_cells() -> None:
    verdict = judge(Outcome(status="error", phase="save", error=ERROR), None, None)
    assert (verdict.status, verdict.checks, verdict.failed_checks) == (Status.SAVE_ERROR, {}, ())
    assert verdict.error == {"phase": "save", **ERROR}


@pytest.mark.parametrize(
    ("status", "expected"),
    [("crash", Status.CRASH), ("memory", Status.CRASH), ("timeout", Status.TIMEOUT)],
)
@pytest.mark.parametrize("side", ["save", "load"])
def test_death_on_either_side(status: str, expected: Status, side: str) -> None:
    error = {"type": "SIGSEGV", "message": "killed by SIGSEGV", "traceback": "Fatal Python error"}
    job = Outcome(status=status, reason="killed by SIGSEGV", error=error)
    verdict = judge(job, None, None) if side == "save" else judge(OK, job, None)
    assert verdict.status is expected
    assert verdict.error == {"phase": side, **error}
    assert verdict.failed_checks == (() if side == "save" else ("load",))


@pytest.mark.parametrize(("status", "expected"), [("infra", Status.INFRA_ERROR), ("skipped", Status.SKIPPED)])
def test_what_was_not_measured_fails_no_check(status: str, expected: Status) -> None:
    job = Outcome(status=status, reason="the worker was lost")
    for verdict in (judge(job, None, None), judge(OK, job, None)):
        assert (verdict.status, verdict.failed_checks) == (expected, ())
        assert verdict.error is not None
        assert verdict.error["message"] == "the worker was lost"


def test_unsupported_is_said_of_writers_only() -> None:
    job = Outcome(status="unsupported", phase="start", reason="model.export came with Keras 2.13")
    assert judge(job, None, None).status is Status.UNSUPPORTED
    verdict = judge(OK, job, None)
    assert verdict.status is Status.LOAD_ERROR
    assert verdict.error is not None
    assert verdict.error["message"] == "model.export came with Keras 2.13"


def test_what_nobody_compared_does_not_pass() -> None:
    with pytest.raises(ValueError, match="nothing was compared"):
        judge(OK, OK, None)
    with pytest.raises(ValueError, match="no outcome"):
        judge(OK, None, None)
    verdict = judge(OK, OK, {"outputs": check("not-applicable"), "weights": check("not-applicable")})
    assert verdict.status is Status.INFRA_ERROR


def test_code_of_which_only_the_arguments_were_compared_does_not_pass() -> None:
    found = {"defaults": check("pass"), "forward": check("not-applicable"), "learning": check("not-applicable")}
    verdict = judge(OK, OK, found)
    assert verdict.status is Status.INFRA_ERROR
    assert verdict.error is not None
    assert verdict.error["type"] == "NothingCompared"
    assert judge(OK, OK, {**found, "learning": check("pass")}).status is Status.PASS


def test_warnings_are_counted_and_never_fail() -> None:
    def warning(message: str, phase: str = "load", channel: str = "python", count: int = 1) -> dict[str, Any]:
        return {"phase": phase, "channel": channel, "category": "UserWarning", "message": message, "count": count}

    save = Outcome(status="ok", warnings=(warning("saving to /tmp/a/m.h5", "save", "logging", 2),))
    load = Outcome(
        status="ok", warnings=(warning("saving to /tmp/b/m.h5"), warning("no training configuration", count=3))
    )
    verdict = judge(save, load, CHECKS)
    counted = verdict.checks["warnings"]
    assert (verdict.status, counted["status"]) == (Status.PASS, "pass")
    assert (counted["save"]["total"], counted["load"]["total"]) == (2, 4)
    assert counted["save"]["by_phase"] == {"save": 2}
    assert counted["load"]["by_channel"] == {"python": 4}
    assert counted["save"]["fingerprints"] == counted["load"]["fingerprints"][:1]
    assert counted["only_load"] == 1
