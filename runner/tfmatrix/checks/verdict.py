"""From what a save and a load came to, and the checks, to the verdict of a cell. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tfmatrix.checks.comparison import CHECKS
from tfmatrix.checks.result import Check, errored, failed, holds, passed
from tfmatrix.checks.warnings import check_warnings
from tfmatrix.core.status import CheckStatus, Status


class JobOutcome(Protocol):
    """What one save or load came to.

    `status` is ok, error (an exception of the code under test), unsupported, crash, timeout, memory, infra or skipped.
    """

    @property
    def status(self) -> str:
        """One of the words above."""

    @property
    def phase(self) -> str | None:
        """Where it ended."""

    @property
    def reason(self) -> str | None:
        """A sentence, where there is no exception."""

    @property
    def error(self) -> Mapping[str, Any] | None:
        """type, message, traceback."""

    @property
    def warnings(self) -> Sequence[Mapping[str, Any]]:
        """What was said, as the worker sends it."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The status of a cell and its evidence, as the record holds them."""

    status: Status
    checks: Mapping[str, Check] = field(default_factory=dict)
    failed_checks: tuple[str, ...] = ()
    error: Mapping[str, Any] | None = None


_STATUS = {
    "crash": Status.CRASH,
    "memory": Status.CRASH,
    "timeout": Status.TIMEOUT,
    "infra": Status.INFRA_ERROR,
    "skipped": Status.SKIPPED,
}


def judge(save: JobOutcome, load: JobOutcome | None, checks: Mapping[str, Check] | None) -> Verdict:
    """The verdict of a cell.

    `load` is None where the save gave nothing to load; `checks` is what `compare` returned, and None where the load
    gave no observation. Raises ValueError where a load that returned comes without checks: a cell that nobody compared
    must not pass.
    """
    if save.status != "ok":
        return _of_save(save)
    if load is None:
        raise ValueError("the save succeeded, but there is no outcome of the load")
    warnings = check_warnings(save.warnings, load.warnings)
    if load.status == "ok":
        if checks is None:
            raise ValueError("the load returned, but nothing was compared")
        return _of_checks({"load": passed(), **checks, "warnings": warnings})
    error = _error(load, "load")
    status = _STATUS.get(load.status)
    if status in (Status.INFRA_ERROR, Status.SKIPPED):
        return Verdict(status=status, error=error)
    # What a reader refuses is an error of loading, never "unsupported".
    status = status or Status.LOAD_ERROR
    said = f"{error['type']}: {error['message']}"
    check = failed(said) if status is Status.LOAD_ERROR else errored(said)
    return Verdict(status=status, checks={"load": check, "warnings": warnings}, failed_checks=("load",), error=error)


def _of_save(save: JobOutcome) -> Verdict:
    """Of a cell whose artifact could not be made."""
    error = _error(save, "save")
    if save.status == "unsupported":
        return Verdict(status=Status.UNSUPPORTED, error=error)
    return Verdict(status=_STATUS.get(save.status, Status.SAVE_ERROR), error=error)


def _of_checks(checks: Mapping[str, Check]) -> Verdict:
    """Of a cell whose loader returned."""
    ordered = {name: checks[name] for name in CHECKS if name in checks}
    failures = tuple(name for name, check in ordered.items() if not holds(check))
    if failures:
        return Verdict(status=Status.DRIFT, checks=ordered, failed_checks=failures)
    compared = [name for name, check in ordered.items() if check["status"] == CheckStatus.PASS]
    if not set(compared) - {"load", "warnings"}:
        # "It loaded" alone is what this project exists to distrust.
        reason = "the model loaded, but nothing of it could be compared"
        return Verdict(
            status=Status.INFRA_ERROR,
            checks=ordered,
            error={"phase": "compare", "type": "NothingCompared", "message": reason, "traceback": ""},
        )
    return Verdict(status=Status.PASS, checks=ordered)


def _error(outcome: JobOutcome, phase: str) -> dict[str, Any]:
    """The record's `error`; an outcome without an exception has its reason as the message."""
    error = outcome.error or {}
    return {
        "phase": outcome.phase or phase,
        "type": str(error.get("type") or outcome.status),
        "message": str(error.get("message") or outcome.reason or ""),
        "traceback": str(error.get("traceback") or ""),
    }
