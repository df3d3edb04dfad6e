"""How long a run will take, and what it downloads, before it starts: rough, and an upper bound."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from pathlib import Path

SAVE_SECONDS = 2.0
LOAD_SECONDS = 1.5
"""Of one save and one load of a small model on one core, without the worker's start (measured on 2 cores)."""

START_SECONDS = 8.0
INSTALL_SECONDS = 45.0
"""Of an environment: its worker's start, and its installation with the downloads."""

DOWNLOAD_GIGABYTES = 0.6
DISK_GIGABYTES = 2.0
"""Of one environment that is not there yet, at most."""

LONG_SECONDS = 300


def estimate_lines(*, saves: int, loads: int, slots: int, locks: Collection[str], environments: Path) -> list[str]:
    """What is told of the time and the room that a run needs.

    `locks` are the digests of its environments' locks, empty for one that is not locked yet; `environments` is the
    folder of those that are installed. What the store has already takes no time: this is an upper bound.
    """
    there = installed_locks(environments)
    missing = sum(each not in there for each in locks)
    work = saves * SAVE_SECONDS + loads * LOAD_SECONDS + len(locks) * START_SECONDS
    seconds = work / max(1, slots) + missing * INSTALL_SECONDS
    lines = [f"time         at most about {duration(seconds)}; what was measured before takes none"]
    if missing:
        lines.append(
            f"room         {missing} environments are not installed: up to {missing * DOWNLOAD_GIGABYTES:.1f} GB of "
            f"downloads and {missing * DISK_GIGABYTES:.0f} GB of disk"
        )
    if seconds > LONG_SECONDS:
        lines.append("             --scenario, --format and --only ask for less")
    return lines


def installed_locks(environments: Path) -> set[str]:
    """The digests of the locks whose environments are there."""
    found = set()
    for marker in environments.glob("*/tfmatrix.json"):
        try:
            found.add(str(json.loads(marker.read_text(encoding="utf-8")).get("lock", "")))
        except (OSError, ValueError):
            continue
    return found - {""}


def duration(seconds: float) -> str:
    """`40 s`, `4 minutes`, `3 hours`."""
    if seconds < 60:
        return f"{math.ceil(seconds / 10) * 10} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minutes" if minutes < 90 else f"{math.ceil(minutes / 60)} hours"
