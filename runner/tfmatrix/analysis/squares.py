"""A run as arrays of numbers, for what is asked of all of its cells.

A whole map has millions of cells, in which a thousand at a time came to the same: what follows from a record's result
and format alone is worked out once for each `kind`, and spread over the cells by numpy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, count
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tfmatrix.analysis.environments import Environments
from tfmatrix.analysis.looks import Counts, Look
from tfmatrix.core.globs import CELL_SEGMENTS, compile_glob
from tfmatrix.core.records import RESULT_FIELDS, CellRecord
from tfmatrix.store.runs import Run

Numbers = NDArray[np.integer[Any]]

_Value = TypeVar("_Value")

NONE = -1
"""The kind where a square has no cell."""


@dataclass(frozen=True, kw_only=True)
class Squares:
    """The cells of a run, in the order of its records: five columns of the length of the run.

    `scenario`, `format`, `writer` and `reader` are places in `scenarios`, `formats` and `environments` (these in matrix
    order). Cells of one `kind` have the same result and format; `examples` has the first cell of each.
    """

    environments: tuple[str, ...]
    scenarios: tuple[str, ...]
    formats: tuple[str, ...]
    scenario: Numbers
    format: Numbers
    writer: Numbers
    reader: Numbers
    kind: Numbers
    examples: tuple[CellRecord, ...]

    @classmethod
    def of(cls, run: Run) -> Squares:
        """Walks through the records for each column."""
        records = run.records

        def column(name: str) -> tuple[Numbers, tuple[Any, ...]]:
            """Numbers for the values of a field, and these in the order in which they come."""
            known: defaultdict[Any, int] = defaultdict(count().__next__)
            numbers = np.fromiter(map(known.__getitem__, map(attrgetter(name), records)), np.int32, len(records))
            return numbers, tuple(known)

        scenario, scenarios = column("scenario")
        fmt, formats = column("format")
        writer, writers = column("writer")
        reader, readers = column("reader")
        result, _ = column("result")
        environments = Environments.of(run, {*writers, *readers}).order
        place = {name: place for place, name in enumerate(environments)}
        both = result.astype(np.int64) * max(1, len(formats)) + fmt
        _, first, kind = np.unique(both, return_index=True, return_inverse=True)
        return cls(
            environments=environments,
            scenarios=scenarios,
            formats=formats,
            scenario=scenario,
            format=fmt,
            writer=np.array([place[name] for name in writers], np.int32)[writer],
            reader=np.array([place[name] for name in readers], np.int32)[reader],
            kind=kind.astype(np.int32),
            examples=tuple(records[place] for place in first.tolist()),
        )

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The places of the environments."""
        return {name: place for place, name in enumerate(self.environments)}

    @cached_property
    def square(self) -> NDArray[np.int64]:
        """The scenario and format of each cell, as one number."""
        return self.scenario.astype(np.int64) * max(1, len(self.formats)) + self.format

    @cached_property
    def members(self) -> Mapping[tuple[str, str], Numbers]:
        """(scenario, format) → where its cells stand among the records; both in the order of the records."""
        order = np.argsort(self.square, kind="stable")
        starts = np.flatnonzero(np.diff(self.square[order], prepend=NONE))
        found = sorted(np.split(order, starts[1:]), key=lambda places: int(places[0])) if len(order) else []
        return {(self.scenarios[self.scenario[each[0]]], self.formats[self.format[each[0]]]): each for each in found}

    @cached_property
    def blocks(self) -> Mapping[tuple[str, str], Numbers]:
        """(scenario, format) → kinds, writers × readers, NONE where there is no cell; in the order of the records."""
        size = len(self.environments)
        blocks = {}
        for square, places in self.members.items():
            blocks[square] = np.full((size, size), NONE, np.int32)
            blocks[square][self.writer[places], self.reader[places]] = self.kind[places]
        return blocks

    def each(self, value: Callable[[CellRecord], Any], dtype: Any, *parts: str) -> NDArray[Any]:
        """By kind, what `value` makes of its example; it may look at the result and the format of a record alone.

        At the `parts` of it alone where these are named, as for `distinct`, which is faster.
        """
        if not parts:
            return np.fromiter(map(value, self.examples), dtype, len(self.examples))
        values, places = self.distinct(value, *parts)
        return np.array(values, dtype)[places]

    def distinct(self, value: Callable[[CellRecord], _Value], *parts: str) -> tuple[tuple[_Value, ...], Numbers]:
        """The values that `value` makes of the examples, and by kind the place of its own among them.

        It may look at those fields alone that are its `parts`: of the result, or `format`. Where records share these as
        the same objects, it is asked once.
        """
        numbers = np.zeros(len(self.examples), np.int64)
        for part in parts:
            found, same = np.unique(self._ids[part], return_inverse=True)
            _, first, numbers = np.unique(numbers * max(1, len(found)) + same, return_index=True, return_inverse=True)
        values: dict[_Value, int] = {}
        places = np.empty(len(first), np.int32)
        for number in np.argsort(first).tolist():
            places[number] = values.setdefault(value(self.examples[first[number]]), len(values))
        return tuple(values), places[numbers]

    @cached_property
    def _ids(self) -> Mapping[str, NDArray[np.int64]]:
        """By field and kind which object its example has there.

        Read once: what hundreds of thousands of results hold lies all over the memory.
        """
        every = chain.from_iterable(map(attrgetter("result"), self.examples))
        shape = (len(self.examples), len(RESULT_FIELDS))
        ids = np.fromiter(map(id, every), np.int64, shape[0] * shape[1]).reshape(shape)
        formats = np.fromiter(map(self.formats.index, map(attrgetter("format"), self.examples)), np.int64, shape[0])
        return {name: ids[:, place] for name, place in RESULT_FIELDS.items()} | {"format": formats}

    def where(self, holds: Callable[[CellRecord], bool], *parts: str) -> Numbers:
        """Where the cells stand among the records for which something holds that result and format decide."""
        return np.flatnonzero(self.each(holds, bool, *parts)[self.kind]).astype(np.int32)

    def records(self, run: Run, holds: Callable[[CellRecord], bool], *parts: str) -> list[CellRecord]:
        """The records of the run, whose arrays these are, that stand there."""
        return [run.records[place] for place in self.where(holds, *parts).tolist()]

    def covered(self, patterns: Iterable[str]) -> Mapping[tuple[str, str], NDArray[np.bool_]]:
        """(scenario, format) → which pairs of writer and reader one of the globs covers; only where it covers any."""
        found: dict[tuple[str, str], NDArray[np.bool_]] = {}
        size = len(self.environments)
        for pattern in patterns:
            for scenario, fmt, writer, reader in compile_glob(pattern, segments=CELL_SEGMENTS).shapes:
                formats = {name for name in self.formats if fmt is None or fmt.fullmatch(name)}
                scenarios = {name for name in self.scenarios if scenario is None or scenario.fullmatch(name)}
                writers, readers = (
                    np.array([each is None or bool(each.fullmatch(name)) for name in self.environments], bool)
                    for each in (writer, reader)
                )
                if not (formats and scenarios and writers.any() and readers.any()):
                    continue
                pairs = np.outer(writers, readers)
                for square in self.members:
                    if square[0] in scenarios and square[1] in formats:
                        mask = found.setdefault(square, np.zeros((size, size), bool))
                        mask |= pairs
        return found

    def places_of(self, masks: Mapping[tuple[str, str], NDArray[np.bool_]]) -> Numbers:
        """Where the cells stand among the records that masks cover: (scenario, format) → writers × readers."""
        found = [
            places[mask[self.writer[places], self.reader[places]]]
            for places, mask in ((self.members[square], mask) for square, mask in masks.items())
        ]
        return np.concatenate(found) if found else np.empty(0, np.int64)

    def counts(self, kinds: NDArray[Any]) -> Counts:
        """Counts cells by their kinds, without NONE."""
        looks, of_kind = self._looks
        return {looks[look]: count for look, count in numbers_counted(of_kind[kinds])}

    @cached_property
    def _looks(self) -> tuple[Sequence[Look], Numbers]:
        """The looks that cells have, and by kind the place of its own; the last one stands for NONE, in both."""
        looks, of_kind = self.distinct(Look.of, "status", "known", "promised", "inferred")
        return looks, np.append(of_kind, np.int32(NONE))

    def counts_by_pair(
        self, blocks: Iterable[Numbers] | None = None, holds: Callable[[CellRecord], bool] | None = None
    ) -> Mapping[tuple[str, str], Counts]:
        """(writer, reader) → the counts over all `blocks`, or some of them; pairs in matrix order.

        Where it is given, only cells count for which `holds`, which result and format decide.
        """
        looks, of_kind = self._looks
        if holds is not None:
            of_kind = np.where(np.append(self.each(holds, bool), False), of_kind, NONE)
        size = len(self.environments)
        found = np.zeros((len(looks) + 1, size, size), np.int64)
        writers, readers = np.indices((size, size))
        for kinds in self.blocks.values() if blocks is None else blocks:
            found[of_kind[kinds], writers, readers] += 1
        pairs: dict[tuple[str, str], dict[Look, int]] = {}
        for writer, reader, look in np.argwhere(found[:-1].transpose(1, 2, 0)).tolist():
            pair = (self.environments[writer], self.environments[reader])
            pairs.setdefault(pair, {})[looks[look]] = int(found[look, writer, reader])
        return pairs

    def counted(self, kinds: NDArray[Any]) -> Iterator[tuple[CellRecord, int]]:
        """An example of each kind among some, and how many are of it, in the order in which they come; without NONE."""
        return ((self.examples[kind], count) for kind, count in numbers_counted(kinds))


def numbers_counted(numbers: NDArray[Any]) -> Iterator[tuple[int, int]]:
    """Each number among some, and how often it is there, in the order in which they come; without NONE."""
    found, first, counts = np.unique(numbers, return_index=True, return_counts=True)
    order = np.argsort(first)
    return (
        (number, count)
        for number, count in zip(found[order].tolist(), counts[order].tolist(), strict=True)
        if number != NONE
    )


def present(numbers: NDArray[Any]) -> list[int]:
    """The numbers among some that are not negative, in their order: much faster than np.unique where all are small."""
    return np.flatnonzero(np.bincount(numbers)).tolist()
