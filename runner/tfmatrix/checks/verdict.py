"""From what a save and a load came to, and the checks, to the verdict of a cell. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tfmatrix.checks.contract import CheckRecord, Jobs, holds
from tfmatrix.checks.registry import checks
from tfmatrix.core.outcome import Outcome
from tfmatrix.core.status import CheckStatus, Status
from tfmatrix.worker.remedies import COMPUTED


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The status of a cell and its evidence, as the record holds them."""

    status: Status
    checks: Mapping[str, CheckRecord] = field(default_factory=dict)
    failed_checks: tuple[str, ...] = ()
    error: Mapping[str, Any] | None = None


NOTHING_COMPARED = "NothingCompared"
"""The type of the error of a cell that was loaded and has nothing that could be compared."""

_STATUS = {
    "crash": Status.CRASH,
    "memory": Status.CRASH,
    "timeout": Status.TIMEOUT,
    "infra": Status.INFRA_ERROR,
    "skipped": Status.SKIPPED,
}


def judge(save: Outcome, load: Outcome | None, compared: Mapping[str, CheckRecord] | None) -> Verdict:
    """The verdict of a cell.

    `load` is None where the save gave nothing to load; `compared` is what `compare` returned, and None where the load
    gave no observation. A process that ended after the model was observed is judged by that, too. Raises
    ValueError where a load that returned comes without checks: a cell that nobody compared must not pass.
    """
    if save.status != "ok":
        return _of_save(save)
    if load is None:
        raise ValueError("the save succeeded, but there is no outcome of the load")
    jobs = Jobs(save=save, load=load)
    results = {name: check.compare(jobs) for name, check in checks().items() if check.section is None}
    of_jobs = {name: checks()[name].record(result) for name, result in results.items() if result is not None}
    if load.is_planted and load.status == "ok":
        return _of_planted(of_jobs)
    if load.status == "ok":
        if compared is None:
            raise ValueError("the load returned, but nothing was compared")
        return _of_checks({**of_jobs, **compared})
    error = _error(load, "load")
    status = _STATUS.get(load.status)
    if status in (Status.INFRA_ERROR, Status.SKIPPED):
        return Verdict(status=status, error=error)
    if compared is not None:
        ordered = _ordered({**of_jobs, **compared})
        return Verdict(status=status or Status.LOAD_ERROR, checks=ordered, failed_checks=_failed(ordered), error=error)
    # What a reader refuses is an error of loading, never "unsupported".
    return Verdict(status=status or Status.LOAD_ERROR, checks=of_jobs, failed_checks=_failed(of_jobs), error=error)


def _ordered(found: Mapping[str, CheckRecord]) -> dict[str, CheckRecord]:
    return {name: found[name] for name in checks() if name in found}


def _failed(found: Mapping[str, CheckRecord]) -> tuple[str, ...]:
    return tuple(name for name, check in found.items() if not holds(check))


def _of_save(save: Outcome) -> Verdict:
    """Of a cell whose artifact could not be made."""
    error = _error(save, "save")
    if save.status == "unsupported":
        return Verdict(status=Status.UNSUPPORTED, error=error)
    return Verdict(status=_STATUS.get(save.status, Status.SAVE_ERROR), error=error)


def _of_checks(found: Mapping[str, CheckRecord]) -> Verdict:
    """Of a cell whose loader returned."""
    ordered = _ordered(found)
    failures = _failed(ordered)
    if failures:
        return Verdict(status=Status.DRIFT, checks=ordered, failed_checks=failures)
    # Of code that was trained, what its model computes counts: that its arguments are the same says little.
    of_model = [name for name in ordered if name in COMPUTED] or [
        name for name in ordered if checks()[name].section is not None
    ]
    if not any(ordered[name]["status"] == CheckStatus.PASS for name in of_model):
        # "It loaded" alone is what this project exists to distrust.
        reason = "the model loaded, but nothing of it could be compared"
        return Verdict(
            status=Status.INFRA_ERROR,
            checks=ordered,
            error={"phase": "compare", "type": NOTHING_COMPARED, "message": reason, "traceback": ""},
        )
    return Verdict(status=Status.PASS, checks=ordered)


def _of_planted(found: Mapping[str, CheckRecord]) -> Verdict:
    """Of a cell whose artifact holds planted code and was loaded: whether that ran is all that is asked of it."""
    failures = _failed(found)
    return Verdict(status=Status.DRIFT if failures else Status.PASS, checks=found, failed_checks=failures)


def _error(outcome: Outcome, phase: str) -> dict[str, Any]:
    """The record's `error`; an outcome without an exception has its reason as the message."""
    error = outcome.error or {}
    return {
        "phase": outcome.phase or phase,
        "type": str(error.get("type") or outcome.status),
        "message": str(error.get("message") or outcome.reason or ""),
        "traceback": str(error.get("traceback") or ""),
    }
