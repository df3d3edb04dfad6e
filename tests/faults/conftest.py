"""Counts the faults that were survived, for `nox -s trust`."""

from __future__ import annotations

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    counts = {
        outcome: sum(report.nodeid.startswith("tests/faults/") for report in terminalreporter.getreports(outcome))
        for outcome in ("passed", "failed", "error")
    }
    if any(counts.values()):
        terminalreporter.write_line(f"trust: {counts['passed']} of {sum(counts.values())} faults survived")
