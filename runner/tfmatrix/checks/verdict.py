"""From what a save and a load came to, and the checks, to the verdict of a cell. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tfmatrix.checks.contract import CheckRecord, Jobs, holds
from tfmatrix.checks.registry import checks
from tfmatrix.core.outcome import Outcome
from tfmatrix.core.status import CheckStatus, Status


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The status of a cell and its evidence, as the record holds them."""

    status: Status
    checks: Mapping[str, CheckRecord] = field(default_factory=dict)
    failed_checks: tuple[str, ...] = ()
    error: Mapping[str, Any] | None = None


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
    gave no observation. Raises ValueError where a load that returned comes without checks: a cell that nobody compared
    must not pass.
    """
    if save.status != "ok":
        return _of_save(save)
    if load is None:
        raise ValueError("the save succeeded, but there is no outcome of the load")
    jobs = Jobs(save=save, load=load)
    of_jobs = {name: check.record(check.compare(jobs)) for name, check in checks().items() if check.section is None}
    if load.status == "ok":
        if compared is None:
            raise ValueError("the load returned, but nothing was compared")
        return _of_checks({**of_jobs, **compared})
    error = _error(load, "load")
    status = _STATUS.get(load.status)
    if status in (Status.INFRA_ERROR, Status.SKIPPED):
        return Verdict(status=status, error=error)
    # What a reader refuses is an error of loading, never "unsupported".
    failures = tuple(name for name, check in of_jobs.items() if not holds(check))
    return Verdict(status=status or Status.LOAD_ERROR, checks=of_jobs, failed_checks=failures, error=error)


def _of_save(save: Outcome) -> Verdict:
    """Of a cell whose artifact could not be made."""
    error = _error(save, "save")
    if save.status == "unsupported":
        return Verdict(status=Status.UNSUPPORTED, error=error)
    return Verdict(status=_STATUS.get(save.status, Status.SAVE_ERROR), error=error)


def _of_checks(found: Mapping[str, CheckRecord]) -> Verdict:
    """Of a cell whose loader returned."""
    ordered = {name: found[name] for name in checks() if name in found}
    failures = tuple(name for name, check in ordered.items() if not holds(check))
    if failures:
        return Verdict(status=Status.DRIFT, checks=ordered, failed_checks=failures)
    compared = [name for name, check in ordered.items() if check["status"] == CheckStatus.PASS]
    if not any(checks()[name].section is not None for name in compared):
        # "It loaded" alone is what this project exists to distrust.
        reason = "the model loaded, but nothing of it could be compared"
        return Verdict(
            status=Status.INFRA_ERROR,
            checks=ordered,
            error={"phase": "compare", "type": "NothingCompared", "message": reason, "traceback": ""},
        )
    return Verdict(status=Status.PASS, checks=ordered)


def _error(outcome: Outcome, phase: str) -> dict[str, Any]:
    """The record's `error`; an outcome without an exception has its reason as the message."""
    error = outcome.error or {}
    return {
        "phase": outcome.phase or phase,
        "type": str(error.get("type") or outcome.status),
        "message": str(error.get("message") or outcome.reason or ""),
        "traceback": str(error.get("traceback") or ""),
    }
