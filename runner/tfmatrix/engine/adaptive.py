"""Measures what the other cells can be inferred from, audits a sample of these, and records them.

Begins when all saves are there, because their artifacts make the classes; goes on in rounds, whenever nothing is left
to do (`advance`): what `Inference` wants is measured, then the audit's sample, then what either contradicts.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tfmatrix.checks.verdict import Verdict
from tfmatrix.core.data import parse_json
from tfmatrix.core.ids import CellId
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.engine.classes import Classes
from tfmatrix.engine.environments import Environments
from tfmatrix.engine.inference import Axis, Inference, Result, audit_sample, upper_bound
from tfmatrix.engine.loads import Loaded, Loads
from tfmatrix.engine.plan import Pair, Save, Square
from tfmatrix.engine.records import Records
from tfmatrix.engine.remedies import cause_of
from tfmatrix.engine.request import RunRequest
from tfmatrix.engine.saves import Saves
from tfmatrix.store.content import Store, write_atomically
from tfmatrix.worker.retraining import is_trained

SHOWN = 50
"""Wrong inferences that run.json lists; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """An inference that its audit found wrong."""

    cell: CellId
    inferred: Result
    measured: Result
    source: CellId
    by: str

    def to_json(self) -> dict[str, str]:
        """As run.json has it."""
        return {
            "cell": str(self.cell),
            "inferred": self.inferred.status.value,
            "measured": self.measured.status.value,
            "from": str(self.source),
            "by": self.by,
        }


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What a cell is inferred to be: from which that was measured, and by what."""

    source: CellId
    result: Result
    by: str


@dataclass(kw_only=True)
class _Audit:
    """The sample: what was inferred of each of its cells before it was measured. `seed` is the run that drew it.

    `found` are wrong ones of an earlier audit, as run.json has them: they are measured now, and no longer inferred.
    """

    seed: str
    found: Sequence[Mapping[str, str]] = ()
    expected: dict[CellId, _Told] = field(default_factory=dict)
    wrong: list[Wrong] = field(default_factory=list)
    is_done: bool = False


class Adaptive:
    """The squares of a plan whose cells need not all be measured."""

    def __init__(
        self,
        request: RunRequest,
        environments: Environments,
        saves: Saves,
        loads: Loads,
        store: Store,
        records: Records,
        classes: Classes,
    ) -> None:
        self._request = request
        self._environments = environments
        self._saves = saves
        self._loads = loads
        self._class_of = classes.of
        self._records = records
        self._results: dict[tuple[str, str], dict[Pair, Result]] = defaultdict(dict)
        self._inferences: dict[tuple[str, str], Inference] = {}
        self._asked: list[CellId] = []
        self._audit = _Audit(seed=request.run_id)
        self._has_begun = False
        self._contradictions = Contradictions(store)
        self._audited = Audited(store)

    def add(self, loaded: Loaded) -> None:
        """Notes what a cell came to that was measured."""
        cell, verdict = loaded.load.cell, loaded.judgement.verdict
        if verdict.status not in (Status.INFRA_ERROR, Status.SKIPPED):
            self._note(cell, verdict)

    def add_known(self, cell: CellId, record: CellRecord) -> None:
        """Notes what others measured."""
        verdict = Verdict(
            status=record.status,
            checks={name: dict(check) for name, check in record.checks.items()},
            failed_checks=record.failed_checks,
            error=record.error,
        )
        self._note(cell, verdict)

    def _note(self, cell: CellId, verdict: Verdict) -> None:
        result = Result(status=verdict.status, cause=cause_of(verdict))
        self._results[cell.scenario, cell.format][cell.writer, cell.reader] = result

    def advance(self) -> bool:
        """Begins what is to be measured next; returns whether there was anything."""
        if not self._has_begun:
            self._has_begun = True
            if self._begin():
                return True
        self._note_lost()
        wanted = [self._cell(key, pair) for key, inference in self._inferences.items() for pair in inference.wanted()]
        if not wanted and not self._audit.is_done:
            wanted = self._sample()
        if not wanted:
            self._compare()
            wanted = self._unlisted()
        self._measure(wanted)
        return bool(wanted)

    def finish(self) -> dict[str, Any]:
        """Says what is inferred; returns what run.json says of it."""
        inferred = {cell: (told.source, told.by) for cell, told in self._inferred()}
        self._records.infer(inferred)
        if self._request.phase.loads and self._audit.expected:
            right = self._audit.expected.keys() - {each.cell for each in self._audit.wrong}
            self._audited.keep(self._audit.seed, right, [each.to_json() for each in self._audit.wrong])
        count = len(inferred)
        found = [*self._audit.found, *(each.to_json() for each in self._audit.wrong)]
        checked, wrong = len(self._audit.expected) + len(self._audit.found), len(found)
        return {
            "measured": sum(len(results) for results in self._results.values()),
            "inferred": count,
            "of": self._inferable(),
            "audit": {
                "seed": self._audit.seed,
                "cells": checked,
                "wrong": wrong,
                "rate": wrong / checked if checked else None,
                "upper_bound": upper_bound(wrong, checked) if checked and count else None,
                "confidence": 0.95,
                "found": found[:SHOWN],
            },
        }

    def _inferable(self) -> int:
        """How many cells could be inferred: those that the plan leaves open, and of which there is a file to read."""
        squares = {(square.scenario, square.format): square.adaptive for square in self._request.plan.squares}
        return sum(len(squares[key].intersection(each.pairs)) for key, each in self._inferences.items())

    def _inferred(self) -> Iterator[tuple[CellId, _Told]]:
        """Every cell that is inferred, as long as nothing more is wanted."""
        for key, inference in self._inferences.items():
            for pair, found in inference.inferred():
                source = self._cell(key, found.source)
                yield self._cell(key, pair), _Told(source=source, result=inference.results[found.source], by=found.by)

    # The squares

    def _begin(self) -> bool:
        """Makes the squares; records the cells that need no measurement, and measures what once contradicted."""
        axis = Axis(self._environments.facts())
        at_once: list[CellId] = []
        for square in self._request.plan.squares:
            if not square.adaptive:
                continue
            classes = self._classes(square, axis) if self._request.phase.judges else {}
            known = {(writer, reader) for writer, reader in square.pairs if writer in classes and reader in axis.places}
            key = (square.scenario, square.format)
            if known:
                self._inferences[key] = Inference(axis=axis, classes=classes, pairs=known, results=self._results[key])
            at_once += [square.cell(pair) for pair in square.pairs if pair in square.adaptive and pair not in known]
            at_once += [
                square.cell(pair)
                for pair in self._contradictions.of(square)
                if pair in known and pair in square.adaptive
            ]
        self._measure(at_once)
        return bool(at_once)

    def _classes(self, square: Square, axis: Axis) -> dict[str, str]:
        """The class of what each writer saved, in the order of the axis; those that did not save have none."""
        found = {}
        writers = set(square.writers)
        for writer in axis.names:
            if writer not in writers:
                continue
            saved = self._saves[Save(scenario=square.scenario, saver=square.saver, writer=writer)]
            if saved.status == "ok" and saved.artifact is not None:
                # What is compared with a reader is how the writer trained, whatever its weights were.
                trained = is_trained(self._request.formats[square.format].checks)
                artifact = str(saved.artifact["digest"])
                # One of which nobody knows the class speaks for itself alone.
                found[writer] = str(saved.observation) if trained else self._class_of(artifact) or artifact
        return found

    @staticmethod
    def _cell(key: tuple[str, str], pair: Pair) -> CellId:
        return CellId(scenario=key[0], format=key[1], writer=pair[0], reader=pair[1])

    # Measuring

    def _measure(self, cells: Iterable[CellId]) -> None:
        by_pair: dict[Pair, list[CellId]] = defaultdict(list)
        for cell in cells:
            by_pair[cell.scenario, cell.writer].append(cell)
            self._asked.append(cell)
        for group in by_pair.values():
            self._loads.begin(self._saves, group)

    def _note_lost(self) -> None:
        """What was asked for and has no result could not be measured: it is recorded as that, and tells nothing."""
        for cell in self._asked:
            inference = self._inferences.get((cell.scenario, cell.format))
            pair = (cell.writer, cell.reader)
            if inference is not None and pair not in inference.results:
                inference.lost.add(pair)
        self._asked.clear()

    # The audit

    def _sample(self) -> list[CellId]:
        """Cells that are inferred, to be measured nevertheless; where nothing is measured, those of the last audit."""
        self._audit.is_done = True
        if self._request.audit is None:
            return []
        inferred = dict(self._inferred())
        if self._request.phase.loads:
            share, at_least = self._request.audit
            numbers = audit_sample(len(inferred), self._request.run_id, share=share, at_least=at_least)
            chosen = [cell for number, cell in enumerate(inferred) if number in numbers]
        else:
            self._audit.seed, self._audit.found = self._audited.seed, self._audited.wrong
            chosen = [cell for cell in inferred if cell in self._audited.cells]
        self._audit.expected = {cell: inferred[cell] for cell in chosen}
        return chosen

    def _compare(self) -> None:
        """Notes which inferences the audit found wrong: their cells are measured in every run from now on."""
        known = {each.cell for each in self._audit.wrong}
        for cell, told in list(self._audit.expected.items()):
            measured = self._results[cell.scenario, cell.format].get((cell.writer, cell.reader))
            if measured is None:
                # Lost: it audits nothing.
                del self._audit.expected[cell]
            elif measured != told.result and cell not in known:
                self._audit.wrong.append(
                    Wrong(cell=cell, inferred=told.result, measured=measured, source=told.source, by=told.by)
                )
        self._contradictions.add(each.cell for each in self._audit.wrong)

    def _unlisted(self) -> list[CellId]:
        """Inferred failures that would be news though what they are inferred from is none: news is measured."""
        if not self._request.phase.loads:
            return []
        return [
            cell
            for cell, told in self._inferred()
            if told.result.status.is_incompatibility
            and self._records.is_listed(told.source, told.result.status, told.source)
            and not self._records.is_listed(cell, told.result.status, told.source)
        ]


class Contradictions:
    """Cells that an audit found wrongly inferred, kept in the store: they are measured, so that it stays found."""

    def __init__(self, store: Store) -> None:
        self._path = store.root / "contradictions.json"
        try:
            data: Mapping[str, Any] = parse_json(self._path.read_bytes())
            self._cells = {CellId.parse(text) for text in data["cells"]}
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            # Without them everything is found again.
            self._cells = set()

    def of(self, square: Square) -> list[Pair]:
        """Those of a square."""
        return sorted(
            (cell.writer, cell.reader)
            for cell in self._cells
            if (cell.scenario, cell.format) == (square.scenario, square.format)
        )

    def add(self, cells: Iterable[CellId]) -> None:
        """Keeps more of them."""
        found = set(cells) - self._cells
        if found:
            self._cells |= found
            text = json.dumps({"schema": 1, "cells": sorted(map(str, self._cells))}, indent=1)
            write_atomically(self._path, text + "\n")


class Audited:
    """The last audit, kept in the store: a table that is made later of what the store has shows it as well.

    `seed` is the run that drew it, `cells` those of its sample that were inferred rightly, `wrong` the others, as
    run.json has them.
    """

    def __init__(self, store: Store) -> None:
        self._path = store.root / "audited.json"
        try:
            data: Mapping[str, Any] = parse_json(self._path.read_bytes())
            self.seed, self.cells = str(data["seed"]), {CellId.parse(text) for text in data["cells"]}
            self.wrong: Sequence[Mapping[str, str]] = [
                {str(name): str(value) for name, value in each.items()} for each in data["wrong"]
            ]
        except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            # Without it nothing is audited until cells are measured again.
            self.seed, self.cells, self.wrong = "", set(), []

    def keep(self, seed: str, cells: Collection[CellId], wrong: Sequence[Mapping[str, str]]) -> None:
        """Keeps the sample that a run drew and measured."""
        text = json.dumps({"schema": 1, "seed": seed, "cells": sorted(map(str, cells)), "wrong": [*wrong]}, indent=1)
        write_atomically(self._path, text + "\n")
