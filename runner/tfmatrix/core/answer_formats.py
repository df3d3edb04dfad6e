"""How answers are written: what `--format` takes.

The command line shows these before anything else is imported, so this module imports nothing.
"""

from __future__ import annotations

from enum import StrEnum


class ReportFormat(StrEnum):
    """What `--format` takes."""

    TABLE = "table"
    MD = "md"
    CSV = "csv"
    JSON = "json"


class DiffFormat(StrEnum):
    """How a comparison is written."""

    TEXT = "text"
    MD = "md"
    JSON = "json"


class ExplainFormat(StrEnum):
    """How an explanation is written."""

    TEXT = "text"
    MD = "md"
    JSON = "json"


class CatalogueFormat(StrEnum):
    """How the catalogue is written."""

    MD = "md"
    CSV = "csv"
    JSON = "json"


class OutputFormat(StrEnum):
    """What `report --format` takes: the texts of ReportFormat, and what is a folder."""

    TABLE = "table"
    MD = "md"
    CSV = "csv"
    JSON = "json"
    SITE = "site"
    ARCHIVE = "archive"


class AnswerFormat(StrEnum):
    """What `--format` takes."""

    TEXT = "text"
    MD = "md"
