"""Check `warnings`: counts what saving and loading said. It never fails a cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tfmatrix.checks.fingerprint import fingerprint
from tfmatrix.checks.result import Check, passed

Warnings = Iterable[Mapping[str, Any]]


def check_warnings(save: Warnings, load: Warnings) -> Check:
    """Figures: by side the total, counts by phase and by channel, and the fingerprints in order of appearance."""
    sides = {"save": list(save), "load": list(load)}
    figures = {side: _counted(warnings) for side, warnings in sides.items()}
    only = set(figures["load"]["fingerprints"]) - set(figures["save"]["fingerprints"])
    return passed(
        *(
            f"{side}: {counted['total']} warnings, {len(counted['fingerprints'])} different"
            for side, counted in figures.items()
        ),
        **figures,
        only_load=len(only),
    )


def _counted(warnings: list[Mapping[str, Any]]) -> dict[str, Any]:
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
