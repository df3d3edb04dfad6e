"""The benchmarks: each can be started, and says what it does."""

from __future__ import annotations

import subprocess
import sys

import pytest
from repository import ROOT

BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda path: path.stem)
def test_a_benchmark_starts_and_tells_what_it_does(script):
    done = subprocess.run(
        [sys.executable, str(script), "--help"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert script.name in done.stdout


def test_there_are_benchmarks():
    assert len(BENCHMARKS) > 10
