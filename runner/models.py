"""The words of the project as types: environments, cells, statuses, records. No behaviour beyond (de)serialization."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

RECORD_SCHEMA = 1
"""Version of a line of cells.jsonl. Raised when a field changes its meaning; readers migrate step by step."""

ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]*")


class Status(StrEnum):
    """The verdict of a cell."""

    PASS = "pass"
    DRIFT = "drift"
    LOAD_ERROR = "load-error"
    SAVE_ERROR = "save-error"
    CRASH = "crash"
    TIMEOUT = "timeout"
    UNSUPPORTED = "unsupported"
    INFRA_ERROR = "infra-error"
    SKIPPED = "skipped"

    @property
    def is_incompatibility(self) -> bool:
        """Whether the status says that a user would lose something."""
        return self in _INCOMPATIBLE


_INCOMPATIBLE = {Status.DRIFT, Status.LOAD_ERROR, Status.SAVE_ERROR, Status.CRASH, Status.TIMEOUT}

WORST_FIRST: tuple[Status, ...] = (
    Status.DRIFT,
    Status.CRASH,
    Status.TIMEOUT,
    Status.LOAD_ERROR,
    Status.SAVE_ERROR,
    Status.INFRA_ERROR,
    Status.PASS,
    Status.UNSUPPORTED,
    Status.SKIPPED,
)
"""Order in which a summary names statuses. Drift leads: it is the one nobody notices."""


class CheckStatus(StrEnum):
    """The result of one check of one cell."""

    PASS = "pass"
    FAIL = "fail"
    NOT_APPLICABLE = "not-applicable"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True, order=True)
class CellId:
    """`scenario/format/writer/reader`: the name of a cell everywhere, and what globs select."""

    scenario: str
    format: str
    writer: str
    reader: str

    def __str__(self) -> str:
        return f"{self.scenario}/{self.format}/{self.writer}/{self.reader}"

    @classmethod
    def parse(cls, text: str) -> CellId:
        """The inverse of str(); raises ValueError where the text has not four parts."""
        parts = text.split("/")
        if len(parts) != 4:
            raise ValueError(f"not a cell id (scenario/format/writer/reader): {text!r}")
        return cls(scenario=parts[0], format=parts[1], writer=parts[2], reader=parts[3])


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One pinned set of packages and a Python: a row (writer) and a column (reader) of the matrix.

    `tensorflow` is an exact version or "nightly"; empty where `image` brings its own. `as_of` is "release",
    "today" or an ISO date. `python` is "X.Y". `package` overrides the distribution's name.
    """

    id: str
    tensorflow: str = ""
    python: str = ""
    keras: str | None = None
    with_packages: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    as_of: str = "release"
    package: str | None = None
    image: str | None = None


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A scenario file as read by AST, without importing it. `title` is the docstring's first line.

    `functions` are those of the scenario contract that it has; `has_definitions` says whether it defines classes or
    functions of its own beside them.
    """

    name: str
    path: str
    title: str
    description: str
    digest: str
    formats: tuple[str, ...] | None
    requires: tuple[str, ...]
    tags: tuple[str, ...]
    has_training: bool
    uses_keras: bool
    functions: tuple[str, ...] = ()
    has_definitions: bool = False


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
