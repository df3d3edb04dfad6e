"""The record of a cell, one line of cells.jsonl, and what it is made of: findings of checks, tries of remedies."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import repeat
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


SAVE_AS = "save as "
"""How the remedy "another format" begins; the format's id follows."""


def is_of_other_format(remedy: Mapping[str, Any]) -> bool:
    """Whether an entry of `remedies` is another format: a cell of its own, which nobody had to try."""
    return str(remedy["name"]).startswith(SAVE_AS)


def are_listed(listed: Collection[str], status: Status, failed_checks: Iterable[str]) -> bool:
    """Whether an entry of known_failures.yaml that lists these checks speaks of a cell at which those failed.

    One without any speaks of all, and what does not even load has no checks.
    """
    return not listed or status is not Status.DRIFT or set(failed_checks) <= set(listed)


_CHANGED: Mapping[str, Callable[[Any], Any]] = {"status": Status, "failed_checks": tuple, "remedies": tuple}


def as_in_record(name: str, value: Any) -> Any:
    """A field of a record, from what JSON has there. Raises ValueError for a status that is none."""
    return _CHANGED[name](value) if name in _CHANGED else value


class Result(list[Any]):
    """What became of a cell: its record but for its place, field by field. Records share it, and never change it."""

    # By identity: that two are the same object is seen at once, and says that they are equal.
    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__
    __ne__ = object.__ne__

    def but(self, **changes: Any) -> Result:
        """Another one, of which some fields are different."""
        other = Result(self)
        for name, value in changes.items():
            other[RESULT_FIELDS[name]] = value
        return other


class _OfResult:
    """A field of CellRecord that lies in its result.

    A descriptor as the default of a field, as https://docs.python.org/3/library/dataclasses.html#descriptor-typed-fields
    has it: `__init__` sets it, in the order of the fields.
    """

    def __init__(self, default: Callable[[], Any] | None) -> None:
        self._default = default
        self.place = -1

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        # In the order of the class, which is that of its __init__.
        self.place = sum(isinstance(value, _OfResult) and value.place >= 0 for value in vars(owner).values())

    def __get__(self, record: CellRecord | None, owner: type) -> Any:
        if record is not None:
            return record.result[self.place]
        if self._default is None:
            raise AttributeError(self.name)  # to dataclass: there is no default
        return self

    def __set__(self, record: CellRecord, value: Any) -> None:
        if self.place == 0:
            _set_result(record, Result())
        record.result.append(self._default() if value is self and self._default else value)


def _of_result(default: Callable[[], Any] | None = None) -> Any:
    """For type checkers any value, as dataclasses.field() is."""
    return _OfResult(default)


class _Cell:
    """The id of a record's cell as text, made of its place. What a constructor is given for it is not kept."""

    def __get__(self, record: CellRecord | None, owner: type) -> str:
        if record is None:
            raise AttributeError("cell")
        return f"{record.scenario}/{record.format}/{record.writer}/{record.reader}"

    def __set__(self, record: CellRecord, value: str) -> None:
        pass


def _cell() -> Any:
    return _Cell()


class _Stored:
    """What lies in a record itself."""

    __slots__ = ("format", "reader", "result", "scenario", "writer")

    result: Result


@dataclass(frozen=True, kw_only=True)
class CellRecord(_Stored):
    """One line of cells.jsonl. Field by field the contract of DESIGN.md; `checks` maps a name to its figures.

    `inferred` is null for a measured cell, else `{"from": CELL, "by": "artifact" | "reader"}`; it has no figures then.

    A whole map holds millions of them, most inferred, in which a thousand came to the same: so a record holds its place
    and a `result` that others may share (`at`), 72 bytes in all.
    """

    __slots__ = ()

    run: str = _of_result()
    cell: str = _cell()
    scenario: str
    format: str
    writer: str
    reader: str
    status: Status = _of_result()
    known: bool = _of_result(bool)
    fixed: bool = _of_result(bool)
    flaky: bool = _of_result(bool)
    promised: bool = _of_result(bool)
    failed_checks: tuple[str, ...] = _of_result(tuple)
    checks: Mapping[str, Mapping[str, Any]] = _of_result(dict)
    save: Mapping[str, Any] = _of_result(dict)
    load: Mapping[str, Any] = _of_result(dict)
    error: Mapping[str, Any] | None = _of_result(lambda: None)
    remedies: tuple[Mapping[str, Any], ...] = _of_result(tuple)
    remedy: str | None = _of_result(lambda: None)
    attribution: Mapping[str, Any] | None = _of_result(lambda: None)
    artifact: Mapping[str, Any] | None = _of_result(lambda: None)
    key: str = _of_result(str)
    cached: bool = _of_result(bool)
    seconds: float = _of_result(float)
    inferred: Mapping[str, str] | None = _of_result(lambda: None)
    schema: int = _of_result(lambda: RECORD_SCHEMA)

    @classmethod
    def at(cls, result: Result, scenario: str, format: str, writer: str, reader: str) -> CellRecord:
        """The record of another cell that came to the same, without a copy of it."""
        record = _new(cls)
        _set_result(record, result)
        _set_scenario(record, scenario)
        _set_format(record, format)
        _set_writer(record, writer)
        _set_reader(record, reader)
        return record

    @classmethod
    def at_each(
        cls,
        count: int,
        results: Iterable[Result],
        scenarios: Iterable[str],
        formats: Iterable[str],
        writers: Iterable[str],
        readers: Iterable[str],
    ) -> list[CellRecord]:
        """The same of as many cells, field after field: a third less time for millions of them."""
        records = list(map(_new, repeat(cls, count)))
        fields_of_each = (results, scenarios, formats, writers, readers)
        for set_field, values in zip(_SETTERS, fields_of_each, strict=True):
            deque(map(set_field, records, values), maxlen=0)
        return records

    def but(self, **changes: Any) -> CellRecord:
        """The record of the same cell, of which some fields of the result are different."""
        return self.at(self.result.but(**changes), self.scenario, self.format, self.writer, self.reader)

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

    @property
    def is_untried(self) -> bool:
        """Whether it was loaded and fails, and no remedy was tried: there was no time, or there is none to try."""
        was_loaded = bool(self.load) or self.inferred is not None
        return was_loaded and self.status.is_incompatibility and all(map(is_of_other_format, self.remedies))

    def findings(self, check: str) -> Sequence[Finding]:
        """What a check found, in its order; nothing where it was not made."""
        return tuple(Finding.from_json(each) for each in (self.checks.get(check) or {}).get("findings") or ())

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types, `schema` first."""
        result = dict(zip(RESULT_FIELDS, self.result, strict=True))
        return {
            "schema": self.schema,
            "run": self.run,
            "cell": self.cell,
            "scenario": self.scenario,
            "format": self.format,
            "writer": self.writer,
            "reader": self.reader,
            **result,
            "status": self.status.value,
            "failed_checks": list(self.failed_checks),
            "remedies": [dict(remedy) for remedy in self.remedies],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CellRecord:
        """The inverse of to_json(); raises KeyError or ValueError on a record that is not of this schema."""
        changed = {name: as_in_record(name, data[name]) for name in _CHANGED}
        values = {**data, **changed}
        if values.keys() == _ALL:
            place = (values[name] for name in ("scenario", "format", "writer", "reader"))
            return cls.at(Result(values[name] for name in RESULT_FIELDS), *place)
        return cls(**values)


RECORD_FIELDS = ("schema", *(each.name for each in fields(CellRecord) if each.name != "schema"))
_ALL = frozenset(RECORD_FIELDS)
RESULT_FIELDS = {name: value.place for name, value in vars(CellRecord).items() if isinstance(value, _OfResult)}
"""Fields that lie in a record's result, and where."""

_new = object.__new__
_SETTERS = tuple(vars(_Stored)[name].__set__ for name in ("result", "scenario", "format", "writer", "reader"))
_set_result, _set_scenario, _set_format, _set_writer, _set_reader = _SETTERS
