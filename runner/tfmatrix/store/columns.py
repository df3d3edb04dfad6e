"""The inferred cells of an archive as columns: `inferred.json.gz`, beside the lines of what was measured.

One JSON object, which any program reads:

- `schema`: 2; `run`: the id of the run;
- `names`: under `scenario`, `format`, `writer` and `reader` the names that cells have there;
- `kinds`: what cells came to: `status`, `known`, `fixed`, `flaky`, `promised`, `failed_checks` and `by`;
- `sources`: the cells that were measured in their place;
- `cells`: under `scenario`, `format`, `writer`, `reader`, `kind` and `source` a column each, with a number for every
  cell: its place in the lists above. Cells stand in the order of their ids. A column is a list of numbers, or, where
  these repeat, an object of two lists of the same length: `number`, and how many `times` it stands there one after the
  other. (In schema 1 every column is a list of numbers.)

The record of such a cell has its place, its kind, and `{"from": SOURCE, "by": BY}`; every other field is empty.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from itertools import chain, groupby, repeat
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, ConfigDict, InstanceOf, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from tfmatrix.core.data import parse_json
from tfmatrix.core.records import CellRecord, Result
from tfmatrix.core.status import Status

SCHEMA = 2

MAX_BYTES = 300_000_000
"""Of a file of columns when it is unpacked: the whole field has a tenth of that."""

MAX_CELLS = 10_000_000
"""Of a file of columns: the whole field has a third of that."""

_PLACE = ("scenario", "format", "writer", "reader")
_MARKS = ("known", "fixed", "flaky", "promised")

_EMPTY = CellRecord(run="", cell="", scenario="", format="", writer="", reader="", status=Status.PASS)
_NEVER = {
    each.name: getattr(_EMPTY, each.name)
    for each in fields(CellRecord)
    if each.name not in {"run", "cell", *_PLACE, "status", *_MARKS, "failed_checks", "inferred"}
}
"""The fields that columns do not have, as they are when they are empty."""

_Kind = tuple[Status, tuple[bool, ...], tuple[str, ...], str]
"""Status, marks, failed checks, and by what the cell was inferred."""

_Numbers = npt.NDArray[np.int64]
_Text = InstanceOf[str]


class NewerColumnsError(ValueError):
    """The file was written by a newer version."""


def kind_of(record: CellRecord) -> _Kind | None:
    """What an inferred cell came to; None for one that was measured, or holds more than columns have."""
    inferred = record.inferred
    if inferred is None or inferred.keys() != {"from", "by"}:
        return None
    if any(getattr(record, name) != empty for name, empty in _NEVER.items()):
        return None
    marks = tuple(getattr(record, name) for name in _MARKS)
    return record.status, marks, record.failed_checks, inferred["by"]


def to_columns(run: str, records: Iterable[CellRecord]) -> bytes:
    """The file of inferred cells that have a kind, in the order of their ids. Same records, same bytes."""
    numbers: dict[str, dict[Any, int]] = {name: {} for name in (*_PLACE, "kind", "source")}
    cells: dict[str, list[int]] = {name: [] for name in numbers}
    # Records that share a result came to the same.
    known: dict[Result, tuple[int, int]] = {}
    for record in records:
        places = known.get(record.result)
        if places is None:
            assert record.inferred is not None
            kind, source = kind_of(record), record.inferred["from"]
            places = (
                numbers["kind"].setdefault(kind, len(numbers["kind"])),
                numbers["source"].setdefault(source, len(numbers["source"])),
            )
            known[record.result] = places
        for name in _PLACE:
            column = numbers[name]
            cells[name].append(column.setdefault(getattr(record, name), len(column)))
        cells["kind"].append(places[0])
        cells["source"].append(places[1])
    about = {
        "schema": SCHEMA,
        "run": run,
        "names": {name: list(numbers[name]) for name in _PLACE},
        "kinds": [
            {"status": status, **dict(zip(_MARKS, marks, strict=True)), "failed_checks": list(failed), "by": by}
            for status, marks, failed, by in numbers["kind"]
        ],
        "sources": list(numbers["source"]),
        "cells": {name: _in_short(column) for name, column in cells.items()},
    }
    return gzip.compress(json.dumps(about, separators=(",", ":")).encode("ascii"), mtime=0)


def _in_short(column: list[int]) -> list[int] | dict[str, list[int]]:
    """A column as the file has it: in numbers and times where that is shorter."""
    numbers, times = [], []
    for number, same in groupby(column):
        numbers.append(number)
        times.append(sum(1 for _ in same))
    return {"number": numbers, "times": times} if 2 * len(numbers) < len(column) else column


def from_columns(data: bytes, run: str) -> Columns:
    """The cells of such a file, verified: every number names something, and all columns are equally long.

    Raises ValueError on a file that is damaged, of another run, or too large; NewerColumnsError on a newer one.
    """
    try:
        with gzip.open(io.BytesIO(data)) as file:
            text = file.read(MAX_BYTES + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(str(error)) from error
    if len(text) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes when it is unpacked")
    found = parse_json(text)
    del text
    schema = found.get("schema") if isinstance(found, dict) else None
    if not isinstance(schema, int) or schema < 1:
        raise ValueError(f"`schema` is {schema!r}")
    if schema > SCHEMA:
        raise NewerColumnsError(f"schema {schema}; this version reads up to {SCHEMA}")
    try:
        told = _form().validate_python(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part)[:60] for part in first["loc"][:8])
        raise ValueError(f"`{where}`: {first['msg'][:1].lower()}{first['msg'][1:200]}") from error
    if told["run"] != run:
        raise ValueError(f"the cells are of the run {told['run']!r}")
    names, cells = told["names"], told["cells"]
    for name in _PLACE:
        if len(set(names[name])) != len(names[name]) or any("/" in each for each in names[name]):  # type: ignore[literal-required]
            raise ValueError(f"`names.{name}` names something twice, or has a slash")
    sizes = {**{name: len(names[name]) for name in _PLACE}, "kind": len(told["kinds"]), "source": len(told["sources"])}  # type: ignore[literal-required]
    for name, size in sizes.items():
        column = cells[name]  # type: ignore[literal-required]
        if len(column) != len(cells["kind"]):
            raise ValueError(f"`cells.{name}` has {len(column)} numbers, `cells.kind` {len(cells['kind'])}")
        if len(column) and not (int(column.min()) >= 0 and int(column.max()) < size):
            raise ValueError(f"`cells.{name}` has a number that is none of 0 to {size - 1}")
    return Columns(
        names={name: names[name] for name in _PLACE},  # type: ignore[literal-required]
        kinds=[
            (Status(each["status"]), tuple(each[mark] for mark in _MARKS), tuple(each["failed_checks"]), each["by"])  # type: ignore[literal-required]
            for each in told["kinds"]
        ],
        sources=told["sources"],
        cells={name: cells[name] for name in sizes},  # type: ignore[literal-required]
        run=run,
    )


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Inferred cells by number: `cells` has a column of the length n each for places, `kind` and `source`."""

    run: str
    names: dict[str, list[str]]
    kinds: list[_Kind]
    sources: list[str]
    cells: dict[str, _Numbers]

    def among(self, measured: Sequence[CellRecord]) -> tuple[CellRecord, ...]:
        """The records of these cells and of others, in the order of their ids. ValueError where two have one id."""
        count = len(self.cells["kind"])
        # One number for each id, in the order of these: a name that another begins with comes where its slash does.
        ids: _Numbers = np.zeros(count + len(measured), np.int64)
        for name in _PLACE:
            # A name of the one may be none of the other.
            number = {each: place for place, each in enumerate(self.names[name])}
            theirs = [number.setdefault(getattr(record, name), len(number)) for record in measured]
            ranks = _ranks(list(number), "" if name == _PLACE[-1] else "/")
            if int(ids.max(initial=0)) >= np.iinfo(np.int64).max // (len(ranks) + 1) - 1:
                raise ValueError("more names than a map has")
            ids *= len(ranks)
            ids[:count] += ranks[self.cells[name]]
            ids[count:] += ranks[np.array(theirs, np.int64)]
        # Both are sorted mostly: to merge them is all that is left.
        order = ids.argsort(kind="stable")
        ids = ids[order]
        if (ids[1:] == ids[:-1]).any():
            raise ValueError("two records of one cell")
        records = np.empty(len(order), object)
        records[:count] = self._records()
        records[count:] = measured
        return tuple(records[order].tolist())

    def _records(self) -> list[CellRecord]:
        """In their own order; those that came to the same share that."""
        both = self.cells["kind"] * max(1, len(self.sources)) + self.cells["source"]
        # Neighbours mostly came to the same.
        begins = np.flatnonzero(np.diff(both, prepend=-1))
        pairs, which = np.unique(both[begins], return_inverse=True)
        results = [self._result(*divmod(pair, max(1, len(self.sources)))) for pair in pairs.tolist()]
        times = np.diff(begins, append=len(both)).tolist()
        shared = chain.from_iterable(map(repeat, map(results.__getitem__, which.tolist()), times))
        place = [map(self.names[name].__getitem__, self.cells[name].tolist()) for name in _PLACE]
        return CellRecord.at_each(len(both), shared, *place)

    @cached_property
    def _templates(self) -> list[Result]:
        """What cells of a kind came to, but for what they are inferred from."""
        of_all = _EMPTY.result.but(run=self.run)
        return [
            of_all.but(status=status, failed_checks=failed, **dict(zip(_MARKS, marks, strict=True)))
            for status, marks, failed, _ in self.kinds
        ]

    def _result(self, kind: int, source: int) -> Result:
        return self._templates[kind].but(inferred={"from": self.sources[source], "by": self.kinds[kind][3]})


def _ranks(names: Sequence[str], end: str) -> _Numbers:
    """The place of each name when they are sorted."""
    ranks = np.empty(len(names), np.int64)
    ranks[sorted(range(len(names)), key=lambda place: names[place] + end)] = np.arange(len(names))
    return ranks


def _numbers(value: Any) -> _Numbers:
    """A list of integers as an array."""
    try:
        column = np.array(value) if value != [] else np.empty(0, np.int64)
    except (ValueError, OverflowError) as error:
        raise ValueError("should be a list of numbers") from error
    if column.ndim != 1 or column.dtype.kind != "i":
        raise ValueError("should be a list of whole numbers")
    if len(column) > MAX_CELLS:
        raise ValueError(f"more than {MAX_CELLS} numbers")
    return column.astype(np.int64, copy=False)


def _column(value: Any) -> _Numbers:
    """A column of either form as an array."""
    if not isinstance(value, dict):
        return _numbers(value)
    if value.keys() != {"number", "times"}:
        raise ValueError("should be a list of numbers, or `number` and `times`")
    number, times = _numbers(value["number"]), _numbers(value["times"])
    if len(number) != len(times):
        raise ValueError(f"`number` has {len(number)} numbers, `times` {len(times)}")
    if len(times) and not (int(times.min()) >= 1 and int(times.max()) <= MAX_CELLS and int(times.sum()) <= MAX_CELLS):
        raise ValueError(f"`times` are not whole numbers of which all together are at most {MAX_CELLS}")
    return np.repeat(number, times)


_Column = Annotated[Any, BeforeValidator(_column)]


@with_config(ConfigDict(strict=True))
class _KindForm(TypedDict):
    status: _Text
    known: bool
    fixed: bool
    flaky: bool
    promised: bool
    failed_checks: list[_Text]
    by: _Text


@with_config(ConfigDict(strict=True))
class _NamesForm(TypedDict):
    scenario: list[_Text]
    format: list[_Text]
    writer: list[_Text]
    reader: list[_Text]


@with_config(ConfigDict(strict=True))
class _CellsForm(TypedDict):
    scenario: _Column
    format: _Column
    writer: _Column
    reader: _Column
    kind: _Column
    source: _Column


@with_config(ConfigDict(strict=True))
class _Form(TypedDict):
    run: _Text
    names: _NamesForm
    kinds: list[_KindForm]
    sources: list[_Text]
    cells: _CellsForm


@cache
def _form() -> TypeAdapter[_Form]:
    return TypeAdapter(_Form)
