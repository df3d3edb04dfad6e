"""A run as the pages need it: cells by scenario and format on the grid of environments, each with its cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tfmatrix.analysis.causes import Cause, find_causes
from tfmatrix.analysis.environments import Environments
from tfmatrix.analysis.records import in_order
from tfmatrix.analysis.upgrades import Pairs, pairs_of
from tfmatrix.core.records import CellRecord
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
    def of(cls, records: Iterable[CellRecord]) -> Tally:
        """Counts records."""
        every = list(records)
        failing = [record for record in every if record.status.is_incompatibility]
        return cls(
            counts=Counter(record.status for record in every),
            news=sum(not record.known for record in failing),
            promised=sum(record.promised for record in every),
            broken_promises=sum(record.promised for record in failing),
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


@dataclass(frozen=True)
class Grid:
    """One run, indexed. `causes` are those of `tfmatrix.analysis.causes`, ranked."""

    run: Run
    causes: tuple[Cause, ...]

    @classmethod
    def of(cls, run: Run) -> Grid:
        """Finds the causes of a run."""
        return cls(run, find_causes(run))

    @cached_property
    def environments(self) -> tuple[str, ...]:
        """Ids in matrix order, without those that only a remedy needed."""
        named = {name for record in self.run.records for name in (record.writer, record.reader)}
        return tuple(name for name in self._environments.order if name in named or not self.run.records)

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
    def blocks(self) -> Mapping[tuple[str, str], Mapping[tuple[str, str], CellRecord]]:
        """(scenario, format) → (writer, reader) → record."""
        blocks: dict[tuple[str, str], dict[tuple[str, str], CellRecord]] = {}
        pairs: dict[tuple[str, str], tuple[str, str]] = {}
        for record in self.run.records:
            pair = (record.writer, record.reader)
            # One tuple for each pair, in however many scenarios it is.
            blocks.setdefault((record.scenario, record.format), {})[pairs.setdefault(pair, pair)] = record
        return blocks

    def block(self, scenario: str, fmt: str) -> Mapping[tuple[str, str], CellRecord]:
        """The cells of one scenario and format; empty where they are no part of the run."""
        return self.blocks.get((scenario, fmt), {})

    @cached_property
    def pairs(self) -> Pairs:
        """(writer, reader) → every cell of it, by scenario and format."""
        return pairs_of(self.run.records)

    @cached_property
    def cause_places(self) -> Mapping[str, tuple[int, ...]]:
        """Cell → the places of its causes in `causes`: several where several things are lost."""
        places: dict[str, tuple[int, ...]] = {}
        sets: dict[tuple[int, ...], tuple[int, ...]] = {}
        for place, cause in enumerate(self.causes):
            for cell in cause.cells:
                found = (*places.get(cell, ()), place)
                places[cell] = sets.setdefault(found, found)
        return places

    @cached_property
    def cause_ids_with_page(self) -> frozenset[str]:
        """The causes that have a page of their own."""
        return frozenset(cause.id for cause in self.causes[:MAX_CAUSES])

    def causes_of(self, record: CellRecord) -> tuple[Cause, ...]:
        """What a failing cell has in common with others; empty for one that does not fail."""
        return tuple(self.causes[place] for place in self.cause_places.get(record.cell, ()))

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

    def records_of(self, scenario: str | None = None, fmt: str | None = None) -> Iterator[CellRecord]:
        """Records of a scenario, of a format, or of both."""
        for (name, kind), block in self.blocks.items():
            if scenario in (None, name) and fmt in (None, kind):
                yield from block.values()


def cell_name(record: CellRecord) -> str:
    """The id of a cell as the site writes it, in text and in addresses."""
    return "/".join(map(shown, (record.scenario, record.format, record.writer, record.reader)))
