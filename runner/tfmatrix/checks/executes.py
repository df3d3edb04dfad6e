"""Check `executes`: no code that was planted in the artifact ran while it was loaded.

Only of scenarios that plant some (see scenarios/README.md). Nothing else of what was loaded is asked of their cells. A
reader that refuses the file raises, as any other: the cell is a `load-error`, at which this check holds.
"""

from __future__ import annotations

from tfmatrix.checks.contract import Jobs, Result, loss
from tfmatrix.core.records import Finding

NAME = "executes"
SECTION = None
ORDER = 5

_RAN = "code that the file holds runs while it is loaded"

FINDINGS = {"ran": loss(_RAN, lambda _subject, _figures: _RAN)}


def compare(jobs: Jobs) -> Result | None:
    """No figures; nothing where no code was planted."""
    if not jobs.load.is_planted:
        return None
    return Result(findings=[Finding(code="ran")] if jobs.load.executed else [])
