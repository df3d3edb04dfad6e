"""Answers over synthetic runs, for the tests of how they are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis_runs import run_of
from tfmatrix.commands.upgrade.answer import UpgradeAnswer, answer_of
from tfmatrix.commands.upgrade.measure import Measured
from tfmatrix.commands.upgrade.sides import Side
from tfmatrix.core.environment import Environment
from tfmatrix.core.records import CellRecord
from tfmatrix.envs.pins import Pin

OLD, NEW = "2.15.1", "2.16.2"


def side(version: str, **fields: Any) -> Side:
    return Side(environment=Environment(id=version, tensorflow=version, python="3.11"), source=version, **fields)


def pinned(version: str) -> Side:
    file = Path("requirements.txt")
    pin = Pin(package="tensorflow", version=version, specifier=f"=={version}", file=file, line=3)
    return side(version, file=file, pins=(pin,))


def answer(records: list[CellRecord], **options: Any) -> UpgradeAnswer:
    """The answer for 2.15.1 → 2.16.2."""
    measured = Measured(run=run_of(records), files_only=frozenset(), folders=(Path("results/adhoc/runs/r"),))
    before, after = options.pop("before", side(OLD)), options.pop("after", side(NEW))
    return answer_of(measured, before, after, "the project's scenarios", **options)
