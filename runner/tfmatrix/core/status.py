"""The statuses of a cell and of a check: the one table of them, of which reports and the site's scripts are made."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Status(StrEnum):
    """The verdict of a cell, in the order in which a summary names them. Drift leads: it is the one nobody notices.

    | attribute | is |
    | --- | --- |
    | `code` | one character of the site's data |
    | `sign` | a sign of its own, where there is no room for the name |
    | `symbol` | what it comes to: worked, failed, does not exist, unknown; stands beside the name |
    | `colour` | of terminals, as rich names it |
    | `meaning` | a line for a legend |
    | `is_incompatibility` | whether a user would lose something |
    | `is_measured` | whether it says anything about compatibility |
    | `is_unknown` | whether it was asked, and the run does not say |
    """

    _value_: str
    code: str
    sign: str
    symbol: str
    colour: str
    meaning: str
    is_incompatibility: bool
    is_measured: bool
    is_unknown: bool

    def __new__(
        cls, value: str, code: str = "", sign: str = "", symbol: str = "", colour: str = "", meaning: str = ""
    ) -> Self:
        """One row of the table."""
        status = str.__new__(cls, value)
        status._value_ = value
        status.code, status.sign, status.symbol, status.colour, status.meaning = code, sign, symbol, colour, meaning
        status.is_incompatibility, status.is_measured = symbol == "✗", symbol in "✗✓"
        status.is_unknown = symbol in "?○"
        return status

    DRIFT = "drift", "d", "≠", "✗", "red", "loaded without an error, but something is different"
    CRASH = "crash", "c", "!", "✗", "red", "the process died: a signal, or out of memory"
    TIMEOUT = "timeout", "t", "…", "✗", "red", "not done within its time limit"
    LOAD_ERROR = "load-error", "l", "✗", "✗", "red", "loading raised an exception"
    SAVE_ERROR = "save-error", "s", "⊗", "✗", "red", "saving raised an exception"
    INFRA_ERROR = (
        "infra-error", "i", "?", "?", "yellow",
        "not measured: the environment or its worker failed, which says nothing of TensorFlow",
    )  # fmt: skip
    PASS = "pass", "p", "✓", "✓", "green", "loaded, and every check held"
    UNSUPPORTED = (
        "unsupported", "u", "–", "–", "dim", "the writer has no such format, or lacks what the scenario requires",
    )  # fmt: skip
    SKIPPED = "skipped", "k", "○", "○", "dim", "not run"


WORST_FIRST: tuple[Status, ...] = tuple(Status)


class CheckStatus(StrEnum):
    """The result of one check of one cell, with its sign and colour."""

    _value_: str
    sign: str
    colour: str

    def __new__(cls, value: str, sign: str = "", colour: str = "") -> Self:
        """One row of the table."""
        status = str.__new__(cls, value)
        status._value_ = value
        status.sign, status.colour = sign, colour
        return status

    PASS = "pass", "✓", "green"
    FAIL = "fail", "✗", "red"
    NOT_APPLICABLE = "not-applicable", "–", "dim"
    ERROR = "error", "!", "red"
