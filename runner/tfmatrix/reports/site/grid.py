"""A run as the pages need it: cells by scenario and format on the grid of environments, each with its cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfmatrix.analysis.causes import Cause, Cells, find_causes
from tfmatrix.analysis.environments import Environments
from tfmatrix.analysis.looks import Counts
from tfmatrix.analysis.records import delta, in_order
from tfmatrix.analysis.squares import NONE, Numbers, Squares, present
from tfmatrix.analysis.upgrades import Pairs, pairs_of
from tfmatrix.core.records import CellRecord, Result
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.core.versions import Versions
from tfmatrix.reports.site.names import shown, slugs
from tfmatrix.store.runs import Run

MAX_CAUSES = 2_000
"""Causes with a page of their own."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Cells counted: what stands in one field of a map."""

    counts: Mapping[Status, int]
    news: int
    promised: int
    broken_promises: int

    @classmethod
    def of(cls, counts: Counts) -> Tally:
        """Sums what cells were counted by."""
        by_status: Counter[Status] = Counter()
        for look, count in counts.items():
            by_status[look.status] += count
        failing = {look: count for look, count in counts.items() if look.status.is_incompatibility}
        return cls(
            counts=by_status,
            news=sum(count for look, count in failing.items() if not look.known),
            promised=sum(count for look, count in counts.items() if look.promised),
            broken_promises=sum(count for look, count in failing.items() if look.promised),
        )

    @property
    def total(self) -> int:
        """All cells."""
        return sum(self.counts.values())

    @property
    def failing(self) -> int:
        """Cells that say that something is lost."""
        return sum(count for status, count in self.counts.items() if status.is_incompatibility)

    @property
    def measured(self) -> int:
        """Cells that say anything about compatibility."""
        return self.failing + self.counts.get(Status.PASS, 0)

    @property
    def worst(self) -> Status | None:
        """The first status of WORST_FIRST that is there; None without any cell."""
        return next((status for status in WORST_FIRST if self.counts.get(status)), None)

    @property
    def summary(self) -> str:
        """`drift 3, pass 9`, the worst first."""
        return ", ".join(f"{status.value} {self.counts[status]}" for status in WORST_FIRST if self.counts.get(status))


class Block(Mapping[tuple[str, str], CellRecord]):
    """The cells of one scenario and format by writer and reader, in the order of the run's records.

    `kinds` has writers × readers, as `tfmatrix.analysis.squares` numbers them.
    """

    def __init__(self, run: Run, squares: Squares, scenario: str, fmt: str) -> None:
        self.kinds = squares.blocks[scenario, fmt]
        self._run = run
        self._squares = squares
        self._place = scenario, fmt

    @property
    def kinds_in_order(self) -> Numbers:
        """Those of the records, in their order."""
        return self._squares.kind[self._squares.members[self._place]]

    @property
    def records(self) -> list[CellRecord]:
        """All of them."""
        return [self._run.records[place] for place in self._squares.members[self._place].tolist()]

    def at(self, writer: int, reader: int) -> CellRecord | None:
        """The cell of a writer and a reader, by their places among the environments; None where there is none."""
        kind, names = self.kinds[writer, reader], self._squares.environments
        if kind == NONE:
            return None
        return CellRecord.at(self._squares.examples[kind].result, *self._place, names[writer], names[reader])

    def numbered(self, number: Callable[[CellRecord], int]) -> NDArray[np.int32]:
        """A number for each cell, writers × readers, that result and format decide; 0 where there is none."""
        kinds = np.unique(self.kinds)
        numbers = [number(self._squares.examples[kind]) if kind != NONE else 0 for kind in kinds.tolist()]
        return np.array(numbers, np.int32)[np.searchsorted(kinds, self.kinds)]

    def __getitem__(self, pair: tuple[str, str]) -> CellRecord:
        places = self._squares.places
        if not (pair[0] in places and pair[1] in places and (record := self.at(places[pair[0]], places[pair[1]]))):
            raise KeyError(pair)
        return record

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((record.writer, record.reader) for record in self.records)

    def __len__(self) -> int:
        return len(self._squares.members[self._place])


@dataclass(frozen=True)
class Grid:
    """One run, indexed. `causes` are those of `tfmatrix.analysis.causes`, ranked."""

    run: Run
    squares: Squares
    causes: tuple[Cause, ...]

    @classmethod
    def of(cls, run: Run) -> Grid:
        """Finds the causes of a run."""
        squares = Squares.of(run)
        return cls(run, squares, find_causes(run, squares))

    @cached_property
    def environments(self) -> tuple[str, ...]:
        """Ids in matrix order, without those that only a remedy needed."""
        return self.squares.environments

    @cached_property
    def _environments(self) -> Environments:
        return Environments.of(self.run)

    @cached_property
    def _versions(self) -> Mapping[str, Versions]:
        return {name: self._environments.versions(name) for name in self._environments.order}

    def versions(self, environment: str) -> Versions:
        """The versions of TensorFlow and Keras of an environment."""
        return self._versions[environment]

    def packages(self, environment: str) -> Mapping[str, str]:
        """Every package of an environment with its version; Python first."""
        described = self._environments.described.get(environment) or {}
        python = {"python": str(described["python"])} if described.get("python") else {}
        return python | self._environments.packages(environment)

    @cached_property
    def scenarios(self) -> tuple[str, ...]:
        """Names in the order of run.json."""
        return in_order((name for name, _ in self.blocks), self.run.header.get("scenarios") or ())

    @cached_property
    def formats(self) -> tuple[str, ...]:
        """Formats in the order of run.json."""
        return in_order((name for _, name in self.blocks), self.run.header.get("formats") or ())

    def title(self, scenario: str) -> str:
        """The first line of a scenario's docstring."""
        return str(self._about(scenario).get("title") or "")

    def description(self, scenario: str) -> str:
        """The rest of a scenario's docstring."""
        return str(self._about(scenario).get("description") or "")

    def tags(self, scenario: str) -> tuple[str, ...]:
        """The tags of a scenario."""
        return tuple(map(str, self._about(scenario).get("tags") or ()))

    def _about(self, scenario: str) -> Mapping[str, Any]:
        return (self.run.header.get("scenarios") or {}).get(scenario) or {}

    @cached_property
    def blocks(self) -> Mapping[tuple[str, str], Block]:
        """(scenario, format) → its cells."""
        return {square: Block(self.run, self.squares, *square) for square in self.squares.blocks}

    def block(self, scenario: str, fmt: str) -> Block | None:
        """The cells of one scenario and format; None where they are no part of the run."""
        return self.blocks.get((scenario, fmt))

    @cached_property
    def pairs(self) -> Pairs:
        """(writer, reader) → every cell of it, by scenario and format."""
        return pairs_of(self.run.records)

    @cached_property
    def cause_places(self) -> Sequence[tuple[int, ...]]:
        """By kind the places of its causes in `causes`: several where several things are lost."""
        found: list[tuple[int, ...]] = [()] * len(self.squares.examples)
        for place, cause in enumerate(self.causes):
            for kind in present(self.squares.kind[cause.cells.places]):
                found[kind] = (*found[kind], place)
        return found

    @cached_property
    def _kinds(self) -> Mapping[tuple[Result, str], int]:
        return {(record.result, record.format): kind for kind, record in enumerate(self.squares.examples)}

    def places_of(self, record: CellRecord) -> tuple[int, ...]:
        """The places of a cell's causes in `causes`."""
        return self.cause_places[self._kinds[record.result, record.format]]

    @cached_property
    def cause_ids_with_page(self) -> frozenset[str]:
        """The causes that have a page of their own."""
        return frozenset(cause.id for cause in self.causes[:MAX_CAUSES])

    def causes_of(self, record: CellRecord) -> tuple[Cause, ...]:
        """What a failing cell has in common with others; empty for one that does not fail."""
        return tuple(self.causes[place] for place in self.places_of(record))

    @cached_property
    def scenario_slugs(self) -> Mapping[str, str]:
        """Names of the scenarios' pages."""
        return slugs(self.scenarios)

    @cached_property
    def format_slugs(self) -> Mapping[str, str]:
        """Names of the formats' pages."""
        return slugs(self.formats)

    @cached_property
    def environment_slugs(self) -> Mapping[str, str]:
        """Names of the environments in file names."""
        return slugs(self.environments)

    def pair_slug(self, writer: str, reader: str) -> str:
        """The name of a pair's page and badge."""
        return f"{self.environment_slugs[writer]}--{self.environment_slugs[reader]}"

    def records(self, holds: Callable[[CellRecord], bool]) -> list[CellRecord]:
        """Those of the run for which something holds that result and format decide."""
        return self.squares.records(self.run, holds)

    @cached_property
    def drifts(self) -> Mapping[str, Sequence[CellRecord]]:
        """Scenario → its cells whose outputs differ by a figure."""
        found: dict[str, list[CellRecord]] = {}
        for record in self.records(lambda record: delta(record) is not None):
            found.setdefault(record.scenario, []).append(record)
        return found

    def count_by(self, side: str, cells: Cells) -> list[int]:
        """How many of some cells each environment has as their writer or reader."""
        column: Numbers = getattr(self.squares, side)
        return [*map(int, np.bincount(column[cells.places], minlength=len(self.environments)))]

    def tally(self, *blocks: Block) -> Tally:
        """The cells of some blocks, counted."""
        return Tally.of(self.squares.counts(_kinds(blocks)))

    def counted(self, *blocks: Block) -> list[tuple[CellRecord, int]]:
        """The same, with how many cells came to the same as each record."""
        return list(self.squares.counted(_kinds(blocks)))

    @cached_property
    def tallies(self) -> Mapping[tuple[str, str], Tally]:
        """(writer, reader) → its cells, counted."""
        return self.tallies_of(self.blocks.values())

    def tallies_of(
        self, blocks: Iterable[Block], holds: Callable[[CellRecord], bool] | None = None
    ) -> Mapping[tuple[str, str], Tally]:
        """The same for some blocks, and cells for which something holds that result and format decide."""
        found = self.squares.counts_by_pair((block.kinds for block in blocks), holds)
        return {pair: Tally.of(counts) for pair, counts in found.items()}

    def blocks_of(self, scenario: str | None = None, fmt: str | None = None) -> list[Block]:
        """The blocks of a scenario, or of a format."""
        return [
            block for (name, kind), block in self.blocks.items() if scenario in (None, name) and fmt in (None, kind)
        ]


def _kinds(blocks: Iterable[Block]) -> Numbers:
    """The kinds of all cells of some blocks, in their order."""
    return np.concatenate([np.empty(0, np.int32), *(block.kinds_in_order for block in blocks)])


def cell_name(record: CellRecord) -> str:
    """The id of a cell as the site writes it, in text and in addresses."""
    return "/".join(map(shown, (record.scenario, record.format, record.writer, record.reader)))
