"""What was taken over from others, and whether the sample that was measured nevertheless says the same."""

from __future__ import annotations

from typing import Any

from tfmatrix.core.status import Status
from tfmatrix.engine.loads import Loaded
from tfmatrix.store.known import Known


class Others:
    """Counts what an archive told, and compares what it told of cells that were measured here, too."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.taken = 0
        self.checked = 0
        self.wrong: list[str] = []

    def compare(self, loaded: Loaded) -> None:
        """Compares a cell that was measured now."""
        record = self._known.cells.get(str(loaded.load.cell))
        verdict = loaded.judgement.verdict
        if record is None or loaded.cached or verdict.status in (Status.INFRA_ERROR, Status.SKIPPED):
            return
        self.checked += 1
        if (record.status, record.failed_checks) != (verdict.status, verdict.failed_checks):
            self.wrong.append(record.cell)

    def to_json(self) -> dict[str, Any]:
        """As run.json has it."""
        return {
            "from": self._known.reference,
            "run": self._known.run,
            "cells": self.taken,
            "checked": self.checked,
            "wrong": self.wrong,
        }
