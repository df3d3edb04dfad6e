"""The statuses of a cell and of a check: the one table of them."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """The verdict of a cell."""

    PASS = "pass"
    DRIFT = "drift"
    LOAD_ERROR = "load-error"
    SAVE_ERROR = "save-error"
    CRASH = "crash"
    TIMEOUT = "timeout"
    UNSUPPORTED = "unsupported"
    INFRA_ERROR = "infra-error"
    SKIPPED = "skipped"

    @property
    def is_incompatibility(self) -> bool:
        """Whether the status says that a user would lose something."""
        return self in _INCOMPATIBLE


_INCOMPATIBLE = {Status.DRIFT, Status.LOAD_ERROR, Status.SAVE_ERROR, Status.CRASH, Status.TIMEOUT}

WORST_FIRST: tuple[Status, ...] = (
    Status.DRIFT,
    Status.CRASH,
    Status.TIMEOUT,
    Status.LOAD_ERROR,
    Status.SAVE_ERROR,
    Status.INFRA_ERROR,
    Status.PASS,
    Status.UNSUPPORTED,
    Status.SKIPPED,
)
"""Order in which a summary names statuses. Drift leads: it is the one nobody notices."""


class CheckStatus(StrEnum):
    """The result of one check of one cell."""

    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not-applicable"
    ERROR = "error"
