"""What the site's scripts read: files that call `tfmatrix.receive(NAME, VALUE)`.

Scripts are loaded with `<script src>`, because a page opened from a disk may not fetch. A run has

- `data/RUN/index.js`: names, causes, and which blocks (a scenario and format) there are;
- `data/RUN/cells.js`: what became of all cells, which a page loads when it is asked for it. `outcomes` are a status,
  marks, a set of causes, a remedy and a difference each. In `rows` an outcome (from 1, 0 for no cell) for each reader
  of a writer, as `OUTCOME*TIMES,OUTCOME`; in `inferred` in the same way whether it was inferred. Each stands once, and
  a block names them by number and times;
- `data/RUN/cells/S-F-W.js`: the evidence of some saves (numbers of scenario, format, first writer) and of all their
  loads, up to the writer with which the next file begins; a block's `files` has the first writers. `outcomes` and
  `rows` as above, but with causes by their places, and rows by the number of their writer;
- `data/RUN/pairs/W-R.js`: the packages of a writer and a reader.

Of the newest run there are also `data/upgrades.js`, every verdict with its sentence, and `data/search.js`, what the
search box of every page looks through.

Names are printable and cut, and no markup; evidence is HTML, as `tfmatrix.reports.html` makes it of blocks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfmatrix.analysis.records import delta, policy_of
from tfmatrix.analysis.squares import NONE
from tfmatrix.analysis.upgrades import Upgrade, UpgradeVerdict
from tfmatrix.analysis.warnings import Catalogue
from tfmatrix.checks.policy import broken, promised
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.core.text import cut, number, one_line
from tfmatrix.reports import html
from tfmatrix.reports.cell_page import (
    COMMANDS,
    INFERRED_BY,
    Limits,
    artifact_blocks,
    check_blocks,
    error_blocks,
    outcome_blocks,
    package_blocks,
    promise_blocks,
    remedy_blocks,
    versions,
)
from tfmatrix.reports.document import Block as Told
from tfmatrix.reports.site.grid import MAX_CAUSES, Block, Grid
from tfmatrix.reports.site.names import in_url, printable, shown

MAX_FILE = 5_000_000
"""Bytes that no file of the site exceeds."""

MARKS = ("known", "fixed", "flaky", "promised", "remedy", "inferred")
"""The bits of a cell's marks."""

_TARGET = 200_000
"""Characters of evidence from which on the next save begins a file: a page loads one, and a map has 80,000 saves."""


LIMITS = (
    Limits(text=20_000, items=100, message=20_000, traceback=20_000),
    Limits(text=2_000, message=200, traceback=40),
    Limits(text=200, items=5),
)
"""From generous to narrow: the first with which a file stays below MAX_FILE is taken."""


def table() -> str:
    """The statuses and marks as the scripts know them: static/status.js."""
    statuses = [
        {
            "name": status.value,
            "code": status.code,
            "sign": status.sign,
            "fails": status.is_incompatibility,
            "measured": status.is_measured,
            "unknown": status.is_unknown,
        }
        for status in WORST_FIRST
    ]
    return f"const TABLE = {_json({'statuses': statuses, 'marks': MARKS})};\n"


def script(name: str, value: Any) -> str:
    """A data file: ASCII, strict JSON, and no character that could end a script."""
    return _called(name, _json(value))


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _called(name: str, body: str) -> str:
    return f"tfmatrix.receive({_json(name)},{body});\n"


Files = Mapping[tuple[str, str], Sequence[int]]
"""(scenario, format) → the first writer of each of its files of evidence, by number."""


class _Rows:
    """Rows of a map as text, each once: most writers fare as the one before, and most scenarios as another."""

    def __init__(self) -> None:
        self.places: dict[bytes, int] = {}
        self.texts: list[str] = []

    def place(self, row: NDArray[Any]) -> int:
        """The number of a row."""
        place = self.places.setdefault(row.tobytes(), len(self.texts))
        if place == len(self.texts):
            self.texts.append(_run_lengths_as_text(row.tolist()))
        return place


def index(grid: Grid, files: Files | None) -> dict[str, Any]:
    """The names of a run, and its blocks. `files` are those of its evidence; None where it is not written."""
    header = grid.run.header
    return {
        "run": shown(grid.run.id),
        "started": shown(header.get("started") or ""),
        "finished": shown(header.get("finished") or ""),
        "evidence": files is not None,
        "environments": [_environment(grid, name) for name in grid.environments],
        "scenarios": [
            {
                "name": shown(name),
                "title": shown(grid.title(name)),
                "tags": [shown(tag) for tag in grid.tags(name)],
                "page": grid.scenario_slugs[name],
            }
            for name in grid.scenarios
        ],
        "formats": [{"name": shown(name), "page": grid.format_slugs[name]} for name in grid.formats],
        "causes": [{"id": cause.id, "title": cut(cause.title, 300)} for cause in grid.causes],
        "blocks": [
            {"s": grid.scenarios.index(scenario), "f": grid.formats.index(fmt)}
            | ({} if files is None else {"files": files[scenario, fmt]})
            for scenario, fmt in _squares(grid)
        ],
        "inferred": INFERRED_BY,
        "commands": COMMANDS,
    }


def _squares(grid: Grid) -> list[tuple[str, str]]:
    return [(scenario, fmt) for scenario in grid.scenarios for fmt in grid.formats if grid.block(scenario, fmt)]


def cells(grid: Grid) -> dict[str, Any]:
    """What became of every cell: `blocks` are in the order of those of the index."""
    squares = grid.squares
    sets: dict[tuple[int, ...], int] = {}
    outcomes: dict[tuple[Any, ...], int] = {}
    kinds = np.zeros(len(squares.examples) + 1, np.int32)  # The last one stands for NONE.
    for kind, record in enumerate(squares.examples):
        code, bits, causes, *rest = _outcome(grid, kind, record)
        outcome = (code, bits & ~_INFERRED, sets.setdefault(causes, len(sets)), *rest)
        kinds[kind] = outcomes.setdefault(outcome, len(outcomes)) + 1
    is_inferred = np.append(squares.each(lambda record: record.inferred is not None, np.int8), np.int8(0))
    rows, inferred = _Rows(), _Rows()
    blocks = [
        {
            "rows": _run_lengths(map(rows.place, kinds[squares.blocks[square]])),
            "inferred": _run_lengths(map(inferred.place, is_inferred[squares.blocks[square]])),
        }
        for square in _squares(grid)
    ]
    return {
        "cause_sets": [list(places) for places in sets],
        "outcomes": [list(outcome) for outcome in outcomes],
        "rows": rows.texts,
        "inferred": inferred.texts,
        "blocks": blocks,
    }


def _outcome(grid: Grid, kind: int, record: CellRecord) -> tuple[str, int, tuple[int, ...], str, str]:
    """Status, marks, places of the causes, remedy and difference of the outputs, the last two empty without."""
    difference = delta(record)
    remedy = shown(record.remedy) if record.remedy else ""
    figure = "" if difference is None else number(difference)
    return record.status.code, _bits(record), grid.cause_places[kind], remedy, figure


def _environment(grid: Grid, name: str) -> dict[str, Any]:
    versions = grid.versions(name)
    return {
        "name": shown(name),
        "tensorflow": shown(versions.tensorflow),
        "keras": shown(versions.keras),
    }


def marks(record: CellRecord) -> tuple[bool, ...]:
    """Whether a cell has each of MARKS."""
    inferred = record.inferred is not None
    return record.known, record.fixed, record.flaky, record.promised, bool(record.remedy), inferred


_INFERRED = 1 << MARKS.index("inferred")


def _bits(record: CellRecord) -> int:
    return sum(1 << place for place, is_set in enumerate(marks(record)) if is_set)


def _run_lengths(values: Iterable[int]) -> list[int]:
    """[value, times, value, times, …]"""
    return [each for value, run in groupby(values) for each in (value, sum(1 for _ in run))]


def _run_lengths_as_text(values: Iterable[int]) -> str:
    """`value*times,value`: once is not told."""
    lengths = _run_lengths(values)
    return ",".join(
        f"{value}*{times}" if times > 1 else str(value)
        for value, times in zip(lengths[::2], lengths[1::2], strict=True)
    )


def evidence(grid: Grid, run_folder: str, files: dict[tuple[str, str], list[int]]) -> Iterator[tuple[str, str]]:
    """The files of all cells: name within the run's data folder, and content. `files` gets their first writers."""
    made: dict[Limits, _Texts] = {limits: {} for limits in LIMITS}
    for scenario_place, scenario in enumerate(grid.scenarios):
        for format_place, fmt in enumerate(grid.formats):
            block = grid.block(scenario, fmt)
            if not block:
                continue
            starts = files[scenario, fmt] = []
            for writers, found in _groups(grid, block, made[LIMITS[0]]):
                starts.append(writers[0])
                name = f"cells/{scenario_place}-{format_place}-{writers[0]}"
                content = _called(f"{run_folder}/{name}", found.text())
                for limits in LIMITS[1:]:
                    if len(content) <= MAX_FILE:
                        break
                    narrow = _Evidence(grid, block, limits, made[limits])
                    for place in writers:
                        narrow.add(place)
                    content = _called(f"{run_folder}/{name}", narrow.text())
                yield f"{name}.js", content


_MAX_MADE = 20_000

_Texts = dict[tuple[object, ...], str]
"""A role, and identities of a record's objects, which the grid keeps alive → what they are as JSON."""


def _groups(grid: Grid, block: Block, made: _Texts) -> Iterator[tuple[list[int], _Evidence]]:
    """Writers that share a file, by number, with their evidence: neighbours, until there is enough for one."""
    group: list[int] = []
    found = _Evidence(grid, block, LIMITS[0], made)
    for place in range(len(grid.environments)):
        group.append(place)
        found.add(place)
        if found.size > _TARGET:
            yield group, found
            group, found = [], _Evidence(grid, block, LIMITS[0], made)
    if group:
        yield group, found


class _Evidence:
    """The cells of some saves: each the places of its parts in `parts`, which are HTML. Equal parts stand once.

    Cells that are inferred have no evidence of their own: they stand as [first reader, how many, source, by], the
    source as its place in the square of writers and readers.
    """

    def __init__(self, grid: Grid, block: Block, limits: Limits, made: _Texts) -> None:
        self._board = grid
        self._block = block
        self._limits = limits
        self._works_in_writer = False
        self._cells: dict[int, dict[int, list[int]]] = {}
        self._inferred: dict[int, list[list[int | str]]] = {}
        self._parts: dict[str, int] = {}
        self._places = {name: place for place, name in enumerate(grid.environments)}
        # Records share equal objects, and live as long as their grid: an identity stands for one text.
        self._made = made
        self._sources: dict[int, int] = {}
        self._outcomes: dict[tuple[Any, ...], int] = {}
        self._numbers = {NONE: 0}
        self._rows: dict[int, str] = {}
        self.size = 0

    def add(self, writer: int) -> None:
        """Adds one save with all its loads."""
        own = self._block.at(writer, writer)
        self._works_in_writer = own is not None and own.status is Status.PASS
        cells: dict[int, list[int]] = {}
        inferred: list[list[int | str]] = []
        place = 0
        for kind, run in groupby(self._block.kinds[writer].tolist()):
            times = sum(1 for _ in run)
            if kind != NONE:
                self._add(writer, place, times, self._board.squares.examples[kind].inferred, cells, inferred)
            place += times
        self._rows[writer] = _run_lengths_as_text(map(self._number, self._block.kinds[writer].tolist()))
        if cells:
            self._cells[writer] = cells
        if inferred:
            self._inferred[writer] = inferred

    def _add(
        self,
        writer: int,
        place: int,
        times: int,
        told: Mapping[str, str] | None,
        cells: dict[int, list[int]],
        inferred: list[list[int | str]],
    ) -> None:
        """Adds as many readers as came to the same, from a place on."""
        if told is None:
            for reader in range(place, place + times):
                if record := self._block.at(writer, reader):
                    cells[reader] = self._cell(record)
            return
        source, by = self._source(told), told.get("by", "")
        last = inferred[-1] if inferred else [-1, 0, -1, ""]
        if last[2:] == [source, by] and last[0] + last[1] == place:  # type: ignore[operator]
            last[1] += times  # type: ignore[operator]
        else:
            inferred.append([place, times, source, by])

    def _source(self, inferred: Mapping[str, str]) -> int:
        """The place of the cell of the square that one is inferred from; -1 where that names none."""
        # By identity: cells that came to the same share it.
        place = self._sources.get(id(inferred))
        if place is None:
            _, _, ends = inferred.get("from", "").partition("/")
            *_, writer, reader = ("", "", *ends.split("/"))
            is_there = writer in self._places and reader in self._places
            place = self._places[writer] * len(self._places) + self._places[reader] if is_there else -1
            self._sources[id(inferred)] = place
        return place

    def _number(self, kind: int) -> int:
        """The number of what became of a cell, from 1."""
        if kind not in self._numbers:
            outcome = _outcome(self._board, kind, self._board.squares.examples[kind])
            self._numbers[kind] = self._outcomes.setdefault(outcome, len(self._outcomes)) + 1
        return self._numbers[kind]

    def text(self) -> str:
        """All of it as JSON."""
        found = {
            "outcomes": list(self._outcomes),
            "rows": self._rows,
            "cells": self._cells,
            "inferred": self._inferred,
        }
        return f'{_json(found)[:-1]},"parts":[{",".join(self._parts)}]}}'

    def _part(self, source: tuple[object, ...], make: Callable[[], Iterable[Told]]) -> int:
        """The place of the blocks that `make` returns for what `source` says: a role, and objects of a record."""
        text = self._made.get(source)
        if text is None:
            if len(self._made) == _MAX_MADE:
                self._made.clear()
            text = self._made[source] = _json(html.render(make()))
        if text not in self._parts:
            self._parts[text] = len(self._parts)
            self.size += len(text)
        return self._parts[text]

    def _cell(self, record: CellRecord) -> list[int]:
        limits, part = self._limits, self._part
        places = []
        if record.error:
            places.append(part(("error", id(record.error)), partial(error_blocks, record, limits)))
        if record.checks:
            is_told = bool(record.error)
            places.append(part(("checks", is_told, id(record.checks)), partial(check_blocks, record, limits)))
        if record.remedies:
            source = ("remedies", record.remedy, id(record.remedies))
            places.append(part(source, partial(remedy_blocks, record, limits)))
        for side, outcome in (("save", record.save), ("load", record.load)):
            if outcome:
                # Of loads that took equally long most have the same warnings, and none is the same object.
                said = (outcome.get("status"), str(outcome.get("seconds")), id(outcome.get("warnings")))
                places.append(part((side, *said), partial(outcome_blocks, record, side, limits)))
        rules = promised(
            policy_of(self._board.run.header, record.format),
            self._board.versions(record.writer),
            self._board.versions(record.reader),
            works_in_writer=self._works_in_writer,
        )
        if rules:
            violated = broken(rules, record)
            named = (tuple(rule.name for rule in each) for each in (rules, violated))
            places.append(part(("promises", *named), partial(promise_blocks, rules, violated)))
        if record.artifact:
            places.append(part(("artifact", id(record.artifact)), partial(artifact_blocks, record.artifact, limits)))
        return places


VERDICT_SIGNS: Mapping[UpgradeVerdict, str] = {
    UpgradeVerdict.SAFE: "✓",
    UpgradeVerdict.CHANGES: "△",
    UpgradeVerdict.UNSAFE: "✗",
    UpgradeVerdict.UNKNOWN: "?",
}

VERDICT_LETTERS: Mapping[str, UpgradeVerdict] = {
    "s": UpgradeVerdict.SAFE,
    "c": UpgradeVerdict.CHANGES,
    "u": UpgradeVerdict.UNSAFE,
    "n": UpgradeVerdict.UNKNOWN,
}


def answers(grid: Grid, upgrades: Mapping[tuple[str, str], Upgrade]) -> dict[str, Any]:
    """Every verdict: one letter a pair, row by row, and the sentences, each of which stands once."""
    letters = {verdict: letter for letter, verdict in VERDICT_LETTERS.items()}
    sentences: dict[str, int] = {}
    found = [upgrades[before, after] for before in grid.environments for after in grid.environments]
    return {
        "verdicts": "".join(letters[each.verdict] for each in found),
        "words": {letter: verdict.value for letter, verdict in VERDICT_LETTERS.items()},
        "signs": {letter: VERDICT_SIGNS[verdict] for letter, verdict in VERDICT_LETTERS.items()},
        "places": [sentences.setdefault(one_line(each.sentence, 300), len(sentences)) for each in found],
        "sentences": list(sentences),
        "pages": [grid.environment_slugs[name] for name in grid.environments],
    }


MAX_SEARCHED = 3_000
"""Entries of one kind that the search box knows."""


def search(grid: Grid, found: Catalogue) -> list[list[str]]:
    """What can be looked for: kind, title, address, further words. An error text leads to its cause."""
    entries = [("format", name, f"format/{in_url(grid.format_slugs[name])}.html", "") for name in grid.formats]
    for name in grid.scenarios[:MAX_SEARCHED]:
        about = f"{grid.title(name)} {' '.join(grid.tags(name))} {grid.description(name)}"
        entries.append(("scenario", name, f"scenario/{in_url(grid.scenario_slugs[name])}.html", cut(about, 400)))
    for name in grid.environments:
        about = f"keras {grid.versions(name).keras}"
        entries.append(("version", name, f"upgrade.html?from={in_url(shown(name))}", about))
    for cause in grid.causes[:MAX_CAUSES]:
        about = f"{cause.id} {cause.text} {cause.remedy.name if cause.remedy else ''}"
        entries.append(("cause", cause.title, f"cause/{cause.id}.html", cut(about, 900)))
    for entry in found.entries[:MAX_SEARCHED]:
        title = f"{entry.category}: {entry.text}"
        entries.append(("warning", title, f"warnings.html#{entry.id}", cut(f"{entry.id} {entry.example}", 500)))
    return [[kind, one_line(title, 200), address, printable(about)] for kind, title, address, about in entries]


def pairs(grid: Grid) -> Iterator[tuple[str, str]]:
    """The packages of each writer and reader that have cells: name within the run's data folder, and HTML."""
    packages = {name: grid.packages(name) for name in grid.environments}
    limits = Limits(items=100)
    for place, writer in enumerate(grid.environments):
        for other, reader in enumerate(grid.environments):
            if (writer, reader) in grid.pairs:
                found = versions(packages[writer], packages[reader])
                yield f"pairs/{place}-{other}", html.render(package_blocks(writer, reader, found, limits))
