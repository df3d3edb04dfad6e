"""The inferred cells of an archive as columns: `inferred.json.gz`, beside the lines of what was measured.

One JSON object, which any program reads:

- `schema`: 1; `run`: the id of the run;
- `names`: under `scenario`, `format`, `writer` and `reader` the names that cells have there;
- `kinds`: what cells came to: `status`, `known`, `fixed`, `flaky`, `promised`, `failed_checks` and `by`;
- `sources`: the cells that were measured in their place;
- `cells`: under `scenario`, `format`, `writer`, `reader`, `kind` and `source` a list each, with a number for every
  cell: its place in the lists above. Cells stand in the order of their ids.

The record of such a cell has its place, its kind, and `{"from": SOURCE, "by": BY}`; every other field is empty.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, ConfigDict, InstanceOf, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from tfmatrix.core.data import parse_json
from tfmatrix.core.records import CellRecord, Result
from tfmatrix.core.status import Status

SCHEMA = 1

MAX_BYTES = 300_000_000
"""Of a file of columns when it is unpacked: the whole field has a quarter of that."""

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
        "cells": cells,
    }
    return gzip.compress(json.dumps(about, separators=(",", ":")).encode("ascii"), mtime=0)


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
        columns, places = [], []
        for name in _PLACE:
            # A name of the one may be none of the other.
            number = {each: place for place, each in enumerate(self.names[name])}
            theirs = [number.setdefault(getattr(record, name), len(number)) for record in measured]
            columns.append(np.concatenate([self.cells[name], np.array(theirs, np.int64)]))
            places.append(list(number))
        # As ids are sorted: a name that another begins with comes where its slash does.
        ends = ("/", "/", "/", "")
        order = np.lexsort(
            [_ranks(names, end)[column] for names, end, column in zip(places, ends, columns, strict=True)][::-1]
        )
        ordered = [column[order] for column in columns]
        if len(order) > 1 and np.logical_and.reduce([column[1:] == column[:-1] for column in ordered]).any():
            raise ValueError("two records of one cell")
        records = np.empty(len(order), object)
        records[: len(self.cells["kind"])] = self._records()
        records[len(self.cells["kind"]) :] = measured
        return tuple(records[order].tolist())

    def _records(self) -> list[CellRecord]:
        """In their own order; those that came to the same share that."""
        pairs, which = np.unique(
            self.cells["kind"] * max(1, len(self.sources)) + self.cells["source"], return_inverse=True
        )
        results = [self._result(*divmod(pair, max(1, len(self.sources)))) for pair in pairs.tolist()]
        place = [map(self.names[name].__getitem__, self.cells[name].tolist()) for name in _PLACE]
        return list(map(CellRecord.at, map(results.__getitem__, which.tolist()), *place))

    def _result(self, kind: int, source: int) -> Result:
        status, marks, failed_checks, by = self.kinds[kind]
        inferred = {"from": self.sources[source], "by": by}
        known, fixed, flaky, promised = marks
        return replace(
            _EMPTY,
            run=self.run,
            status=status,
            known=known,
            fixed=fixed,
            flaky=flaky,
            promised=promised,
            failed_checks=failed_checks,
            inferred=inferred,
        ).result


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
    return column.astype(np.int64, copy=False)


_Column = Annotated[Any, BeforeValidator(_numbers)]


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
