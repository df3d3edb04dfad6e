"""Which cells are about training the code anew, and not about files."""

from __future__ import annotations

from tfmatrix.core.records import CellRecord
from tfmatrix.worker.formats.code import ID as CODE
from tfmatrix.worker.retraining import is_trained

__all__ = ["CODE", "is_of_training"]


def is_of_training(record: CellRecord) -> bool:
    """Whether a cell is of the format `code`, or of one of a project's own that is measured so."""
    return record.format == CODE or is_trained(record.checks)
