"""What the analyses ask of a record: was it measured, where did it fail, what did it say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from tfmatrix.core.records import WRITING, CellRecord
from tfmatrix.core.status import Status
from tfmatrix.core.text import figure

_UNSAID = ("INFO", "DEBUG")


def is_measured(record: CellRecord) -> bool:
    """Whether the cell says something about compatibility."""
    return record.status.is_measured


def failed_in_save(record: CellRecord) -> bool:
    """Whether the failure came before there was anything to load."""
    if record.status is Status.SAVE_ERROR:
        return True
    if record.status not in (Status.CRASH, Status.TIMEOUT):
        return False
    status = record.save.get("status")
    return status != "ok" if status is not None else (record.error or {}).get("phase") in WRITING


def warnings_of(record: CellRecord, side: str) -> Iterable[Mapping[str, Any]]:
    """The warnings of `save` or `load`; log lines below the level of a warning are none."""
    outcome = record.save if side == "save" else record.load
    for warning in outcome.get("warnings") or ():
        if warning.get("category") not in _UNSAID:
            yield warning


def policy_of(header: Mapping[str, Any], fmt: str) -> str:
    """The kind of a run's format for `tfmatrix.checks.policy`; empty where it declares none."""
    return str(((header.get("format_info") or {}).get(fmt) or {}).get("policy") or "")


def in_order(names: Iterable[str], listed: Iterable[str]) -> tuple[str, ...]:
    """Names, each once, in the order of a list; those that are not in it follow by name."""
    found = set(names)
    first = [name for name in dict.fromkeys(listed) if name in found]
    return (*first, *sorted(found - set(first)))


def delta(record: CellRecord) -> float | None:
    """The largest absolute difference of the outputs, NaN where one side alone is NaN.

    None where the check of the outputs did not fail, or says no difference: their shapes may be others.
    """
    if "outputs" not in record.failed_checks:
        return None
    figures = record.checks.get("outputs", {})
    if figures.get("nan_mismatches"):
        return math.nan
    return figure(figures.get("max_abs")) or None
