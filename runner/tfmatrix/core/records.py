"""The record of a cell, one line of cells.jsonl, and what it is made of: findings of checks, tries of remedies."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tfmatrix.core.ids import CellId
from tfmatrix.core.status import Status

RECORD_SCHEMA = 2
"""Version of a line of cells.jsonl. Raised when a field changes its meaning; `tfmatrix.store.migrate` has the steps."""

WRITING = ("build", "train", "save")
"""Phases that only a save has; `import`, `observe`, `resume` and `signatures` belong to saves and loads."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a check found.

    `code` stands in the check's closed list. `subject` is what it is about (the path of a weight, the name of an
    output), empty where that is the whole model. `figures` are JSON.
    """

    code: str
    subject: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types."""
        return {"code": self.code, "subject": self.subject, "figures": dict(self.figures)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        """The inverse of to_json(); raises KeyError where there is no code."""
        return cls(
            code=str(data["code"]), subject=str(data.get("subject") or ""), figures=dict(data.get("figures") or {})
        )


@dataclass(frozen=True, kw_only=True)
class Try:
    """What one remedy came to: the status of the cell with it, and the checks that then held and did not.

    `price` is what it costs whoever uses it, in words; empty where that is nothing, and in older records.
    `seconds` is what it took; nothing for another format, which is a cell of its own.
    """

    name: str
    status: Status
    held: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    error: str = ""
    price: str = ""
    seconds: float = 0.0

    @property
    def brings_back_the_model(self) -> bool:
        """Whether the model predicts as it did when it was saved, or, of code, learns as it did."""
        return self.status is Status.PASS or (
            self.status is Status.DRIFT and not {"outputs", "learning"}.isdisjoint(self.held)
        )

    @property
    def detail(self) -> str:
        """The try in a sentence."""
        if self.status is Status.PASS:
            return "brings back everything that is checked"
        if self.status is Status.DRIFT:
            return f"brings back {', '.join(self.held) or 'nothing'}; not {', '.join(self.missing)}"
        return self.error

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Try:
        """The inverse of to_json(), as far as older records tell."""
        status = Status(data["status"])
        loaded = status in (Status.PASS, Status.DRIFT)
        return cls(
            name=str(data["name"]),
            status=status,
            held=tuple(data.get("held") or ()),
            missing=tuple(data.get("missing") or ()),
            error="" if loaded else str(data.get("detail") or ""),
            price=str(data.get("price") or ""),
            seconds=float(data.get("seconds") or 0.0),
        )

    def to_json(self) -> dict[str, Any]:
        """The record's entry: name, status, held, missing, price, seconds, and `detail` for people."""
        return {
            "name": self.name,
            "status": self.status.value,
            "held": list(self.held),
            "missing": list(self.missing),
            "detail": self.detail,
            "price": self.price,
            "seconds": round(self.seconds, 3),
        }


def are_listed(listed: Collection[str], status: Status, failed_checks: Iterable[str]) -> bool:
    """Whether an entry of known_failures.yaml that lists these checks speaks of a cell at which those failed.

    One without any speaks of all, and what does not even load has no checks.
    """
    return not listed or status is not Status.DRIFT or set(failed_checks) <= set(listed)


@dataclass(frozen=True, kw_only=True, slots=True)  # slots: a whole map holds millions
class CellRecord:
    """One line of cells.jsonl. Field by field the contract of DESIGN.md; `checks` maps a name to its figures.

    `inferred` is null for a measured cell, else `{"from": CELL, "by": "artifact" | "reader"}`; it has no figures then.
    """

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
    inferred: Mapping[str, str] | None = None
    schema: int = RECORD_SCHEMA

    @property
    def id(self) -> CellId:
        """The cell's id, parsed."""
        return CellId(scenario=self.scenario, format=self.format, writer=self.writer, reader=self.reader)

    @property
    def is_news(self) -> bool:
        """Whether the cell is an incompatibility that nobody has listed.

        One that is inferred never is: what it was inferred from is. Where only that is listed, the cell was measured.
        """
        return self.status.is_incompatibility and not self.known and self.inferred is None

    def findings(self, check: str) -> Sequence[Finding]:
        """What a check found, in its order; nothing where it was not made."""
        return tuple(Finding.from_json(each) for each in (self.checks.get(check) or {}).get("findings") or ())

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
        changed = {"status": Status(data["status"]), "failed_checks": tuple(data["failed_checks"])}
        return cls(**{**data, **changed, "remedies": tuple(data["remedies"])})
