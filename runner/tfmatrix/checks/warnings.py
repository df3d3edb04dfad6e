"""Check `warnings`: counts what saving and loading said. It never fails a cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from tfmatrix.checks.contract import Jobs, Result, note
from tfmatrix.checks.fingerprint import fingerprint
from tfmatrix.core.records import Finding

NAME = "warnings"
SECTION = None
ORDER = 90

FINDINGS = {
    "counted": note(
        lambda subject, figures: f"{subject}: {figures['total']} warnings, {figures['different']} different"
    ),
}


def compare(jobs: Jobs) -> Result:
    """Figures: by side the total, counts by phase and by channel, and the fingerprints in order of appearance."""
    sides = {"save": _counted(jobs.save.warnings), "load": _counted(jobs.load.warnings)}
    only = set(sides["load"]["fingerprints"]) - set(sides["save"]["fingerprints"])
    findings = [
        Finding(
            code="counted",
            subject=side,
            figures={"total": counted["total"], "different": len(counted["fingerprints"])},
        )
        for side, counted in sides.items()
    ]
    return Result(findings=findings, figures={**sides, "only_load": len(only)})


def _counted(warnings: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    phases: Counter[str] = Counter()
    channels: Counter[str] = Counter()
    for warning in warnings:
        count = int(warning.get("count") or 1)
        phases[str(warning["phase"])] += count
        channels[str(warning["channel"])] += count
    return {
        "total": phases.total(),
        "by_phase": dict(sorted(phases.items())),
        "by_channel": dict(sorted(channels.items())),
        "fingerprints": list(dict.fromkeys(fingerprint(str(warning["message"])) for warning in warnings)),
    }
