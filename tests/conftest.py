"""Its presence puts this folder on sys.path: tests import `fakes` from here."""

from __future__ import annotations

import signal

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Ctrl-C works, also where a script runs the tests in the background: it starts such jobs with SIGINT ignored, and
    every process that a test interrupts would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
