"""What a check hands back: a dict of JSON with `status`, figures, and `detail`, a list of sentences for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tfmatrix.core.status import CheckStatus

MAX_SENTENCES = 20
"""Sentences kept of one check; a model with a thousand lost weights must not fill the records."""

Check = dict[str, Any]

_FRAME = re.compile(r'(?m)^ +File "[^"\n]*", line \d+, in .*\n(?: {8,}.*\n)*')
"""A frame of the traceback that AutoGraph puts into the message of an exception, and the source line below it."""


def passed(*detail: str, **figures: Any) -> Check:
    """The check held."""
    return _check(CheckStatus.PASS, detail, figures)


def failed(*detail: str, **figures: Any) -> Check:
    """The check did not hold; `detail` says what was lost."""
    return _check(CheckStatus.FAIL, detail, figures)


def not_applicable(reason: str, /, **figures: Any) -> Check:
    """There is nothing to compare, and that is no loss; `reason` says why."""
    return _check(CheckStatus.NOT_APPLICABLE, [reason], figures)


def errored(*detail: str, **figures: Any) -> Check:
    """What the check looks at raised an exception in the loaded model: counts as failed."""
    return _check(CheckStatus.ERROR, detail, figures)


def judged(losses: Sequence[str], notes: Sequence[str], /, **figures: Any) -> Check:
    """Failed where there are losses, else passed; the notes (what changed and is no loss) come after the losses."""
    detail = [*losses, *notes]
    return failed(*detail, **figures) if losses else passed(*detail, **figures)


def _check(status: CheckStatus, detail: Iterable[str], figures: dict[str, Any]) -> Check:
    return {"status": status.value, **figures, "detail": shortened(list(detail))}


def shortened(sentences: Sequence[str], limit: int = MAX_SENTENCES) -> list[str]:
    """The sentences, with a count in place of those over the limit."""
    if len(sentences) <= limit:
        return list(sentences)
    return [*sentences[: limit - 1], f"… and {len(sentences) - limit + 1} more"]


def holds(check: Check) -> bool:
    """Whether a check passed or had nothing to look at."""
    return check["status"] in (CheckStatus.PASS, CheckStatus.NOT_APPLICABLE)


def raised(error: Mapping[str, Any]) -> str:
    """An exception in one line: its type and the first line of its message; of AutoGraph's, what was raised in it."""
    kind, message = str(error.get("type")), str(error.get("message") or "")
    first = next((line.strip() for line in _FRAME.split(message)[-1].splitlines() if line.strip()), "")
    return f"{kind}: {first}" if first and not first.startswith(f"{kind}: ") else first or kind


def text(value: float) -> str:
    """A figure in a sentence: four digits, without trailing zeros."""
    return f"{value:.4g}"
