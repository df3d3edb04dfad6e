"""The record of a cell: one line of cells.jsonl."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from tfmatrix.core.ids import CellId
from tfmatrix.core.status import Status

RECORD_SCHEMA = 1
"""Version of a line of cells.jsonl. Raised when a field changes its meaning; readers migrate step by step."""

WRITING = ("build", "train", "save")
"""Phases that only a save has; `import`, `observe`, `resume` and `signatures` belong to saves and loads."""


@dataclass(frozen=True, kw_only=True)
class CellRecord:
    """One line of cells.jsonl. Field by field the contract of DESIGN.md; `checks` maps a name to its figures."""

    run: str
    cell: str
    scenario: str
    format: str
    writer: str
    reader: str
    status: Status
    known: bool = False
    fixed: bool = False
    flaky: bool = False
    promised: bool = False
    failed_checks: tuple[str, ...] = ()
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    save: Mapping[str, Any] = field(default_factory=dict)
    load: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    remedies: tuple[Mapping[str, Any], ...] = ()
    remedy: str | None = None
    attribution: Mapping[str, Any] | None = None
    artifact: Mapping[str, Any] | None = None
    key: str = ""
    cached: bool = False
    seconds: float = 0.0
    schema: int = RECORD_SCHEMA

    @property
    def id(self) -> CellId:
        """The cell's id, parsed."""
        return CellId(scenario=self.scenario, format=self.format, writer=self.writer, reader=self.reader)

    @property
    def is_news(self) -> bool:
        """Whether the cell is an incompatibility that nobody has listed."""
        return self.status.is_incompatibility and not self.known

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types, `schema` first."""
        record = asdict(self)
        return {
            "schema": record.pop("schema"),
            **record,
            "status": self.status.value,
            "failed_checks": list(self.failed_checks),
            "remedies": [dict(remedy) for remedy in self.remedies],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CellRecord:
        """The inverse of to_json(); raises KeyError or ValueError on a record that is not of this schema."""
        fields = dict(data)
        fields["status"] = Status(fields["status"])
        fields["failed_checks"] = tuple(fields["failed_checks"])
        fields["remedies"] = tuple(fields["remedies"])
        return cls(**fields)
