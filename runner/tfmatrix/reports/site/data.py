"""What the site's scripts read: files that call `tfmatrix.receive(NAME, VALUE)`.

Scripts are loaded with `<script src>`, because a page opened from a disk may not fetch. A run has

- `data/RUN/index.js`: names, causes, and for each scenario and format one character per cell, many alike as `~N~C`.
  Rows (a writer in all its readers) that are alike stand once in `rows`, and a block names them by number and times;
- `data/RUN/cells/S-F-W.js`: the evidence of some saves (numbers of scenario, format, first writer) and of all their
  loads, up to the writer with which the next file begins; a block's `files` has the first writers;
- `data/RUN/pairs/W-R.js`: the packages of a writer and a reader.

Of the newest run there are also `data/upgrades.js`, every verdict with its sentence, and `data/search.js`, what the
search box of every page looks through.

Names are printable and cut, and no markup; evidence is HTML, as `tfmatrix.reports.html` makes it of blocks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from tfmatrix.analysis.records import delta, policy_of
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
from tfmatrix.reports.document import Block
from tfmatrix.reports.site.grid import MAX_CAUSES, Grid
from tfmatrix.reports.site.names import in_url, printable, shown

MAX_FILE = 5_000_000
"""Bytes that no file of the site exceeds."""

MARKS = ("known", "fixed", "flaky", "promised", "remedy", "inferred")
"""Bits of a cell's second character, which is one of DIGITS."""

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/"

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
    return f"const TABLE = {_json({'statuses': statuses, 'marks': MARKS, 'digits': DIGITS})};\n"


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
        self.places: dict[str, int] = {}

    def place(self, text: str) -> int:
        return self.places.setdefault(text, len(self.places))


def index(grid: Grid, files: Files | None) -> dict[str, Any]:
    """The whole run with one character per cell. `files` are those of its evidence; None where it is not written."""
    header = grid.run.header
    remedies: dict[str, int] = {}
    cause_sets: dict[tuple[int, ...], int] = {(): 0}
    rows = {name: _Rows() for name in ("status", "marks", "causes")}
    blocks = [
        _block(grid, place, kind, grid.block(scenario, fmt), remedies, cause_sets, rows)
        | ({} if files is None else {"files": files[scenario, fmt]})
        for place, scenario in enumerate(grid.scenarios)
        for kind, fmt in enumerate(grid.formats)
        if grid.block(scenario, fmt)
    ]
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
        "cause_sets": [list(places) for places in cause_sets],
        "blocks": blocks,
        "rows": {name: list(found.places) for name, found in rows.items()},
        "remedies": [shown(name) for name in remedies],
        "inferred": INFERRED_BY,
        "commands": COMMANDS,
    }


def _environment(grid: Grid, name: str) -> dict[str, Any]:
    versions = grid.versions(name)
    return {
        "name": shown(name),
        "tensorflow": shown(versions.tensorflow),
        "keras": shown(versions.keras),
    }


def _block(
    grid: Grid,
    scenario: int,
    fmt: int,
    cells: Mapping[tuple[str, str], CellRecord],
    remedies: dict[str, int],
    cause_sets: dict[tuple[int, ...], int],
    rows: Mapping[str, _Rows],
) -> dict[str, Any]:
    """One scenario and format; a row for each writer."""
    places: dict[str, list[int]] = {name: [] for name in rows}
    differences, helped = {}, {}
    place = -1
    for writer in grid.environments:
        statuses, bits, causes = [], [], []
        for reader in grid.environments:
            place += 1
            record = cells.get((writer, reader))
            if record is None:
                statuses.append(".")
                bits.append("0")
                causes.append(0)
                continue
            statuses.append(record.status.code)
            bits.append(DIGITS[_bits(record)])
            causes.append(cause_sets.setdefault(grid.cause_places.get(record.cell, ()), len(cause_sets)))
            difference = delta(record)
            if difference is not None:
                differences[str(place)] = number(difference)
            if record.remedy:
                helped[str(place)] = remedies.setdefault(record.remedy, len(remedies))
        places["status"].append(rows["status"].place(packed("".join(statuses))))
        places["marks"].append(rows["marks"].place(packed("".join(bits))))
        places["causes"].append(rows["causes"].place(",".join(map(str, _run_lengths(causes)))))
    return {
        "s": scenario,
        "f": fmt,
        **{name: _run_lengths(found) for name, found in places.items()},
        "differences": differences,
        "remedies": helped,
    }


_ALIKE = re.compile(r"(.)\1{5,}")


def packed(text: str) -> str:
    """Six and more characters that are alike as `~N~C`: most of a map is not asked, or passes."""
    return _ALIKE.sub(lambda run: f"~{len(run[0])}~{run[1]}", text)


def marks(record: CellRecord) -> tuple[bool, ...]:
    """Whether a cell has each of MARKS."""
    inferred = record.inferred is not None
    return record.known, record.fixed, record.flaky, record.promised, bool(record.remedy), inferred


def _bits(record: CellRecord) -> int:
    return sum(1 << place for place, is_set in enumerate(marks(record)) if is_set)


def _run_lengths(values: Sequence[int]) -> list[int]:
    """[value, times, value, times, …]"""
    lengths: list[int] = []
    for value in values:
        if lengths and lengths[-2] == value:
            lengths[-1] += 1
        else:
            lengths += [value, 1]
    return lengths


def evidence(grid: Grid, run_folder: str, files: dict[tuple[str, str], list[int]]) -> Iterator[tuple[str, str]]:
    """The files of all cells: name within the run's data folder, and content. `files` gets their first writers."""
    made: dict[Limits, _Texts] = {limits: {} for limits in LIMITS}
    for scenario_place, scenario in enumerate(grid.scenarios):
        for format_place, fmt in enumerate(grid.formats):
            if not grid.block(scenario, fmt):
                continue
            starts = files[scenario, fmt] = []
            for writers, found in _groups(grid, scenario, fmt, made[LIMITS[0]]):
                starts.append(writers[0])
                name = f"cells/{scenario_place}-{format_place}-{writers[0]}"
                content = _called(f"{run_folder}/{name}", found.text())
                for limits in LIMITS[1:]:
                    if len(content) <= MAX_FILE:
                        break
                    narrow = _Evidence(grid, scenario, fmt, limits, made[limits])
                    for place in writers:
                        narrow.add(place)
                    content = _called(f"{run_folder}/{name}", narrow.text())
                yield f"{name}.js", content


_MAX_MADE = 20_000

_Texts = dict[tuple[str, int], str]
"""(role, identity of a record's object) → what it is as JSON."""


def _groups(grid: Grid, scenario: str, fmt: str, made: _Texts) -> Iterator[tuple[list[int], _Evidence]]:
    """Writers that share a file, by number, with their evidence: neighbours, until there is enough for one."""
    group: list[int] = []
    found = _Evidence(grid, scenario, fmt, LIMITS[0], made)
    for place in range(len(grid.environments)):
        group.append(place)
        found.add(place)
        if found.size > _TARGET:
            yield group, found
            group, found = [], _Evidence(grid, scenario, fmt, LIMITS[0], made)
    if group:
        yield group, found


class _Evidence:
    """The cells of some saves: each the places of its parts in `parts`, which are HTML. Equal parts stand once.

    Cells that are inferred have no evidence of their own: they stand as [first reader, how many, source, by], the
    source as its place in the square of writers and readers.
    """

    def __init__(self, grid: Grid, scenario: str, fmt: str, limits: Limits, made: _Texts) -> None:
        self._board = grid
        self._block = grid.block(scenario, fmt)
        self._limits = limits
        self._works_in_writer = False
        self._cells: dict[int, dict[int, list[int]]] = {}
        self._inferred: dict[int, list[list[int | str]]] = {}
        self._parts: dict[str, int] = {}
        self._places = {name: place for place, name in enumerate(grid.environments)}
        # Records share equal objects, and live as long as their grid: an identity stands for one text.
        self._made = made
        self._sources: dict[int, int] = {}
        self.size = 0

    def add(self, writer: int) -> None:
        """Adds one save with all its loads."""
        name = self._board.environments[writer]
        own = self._block.get((name, name))
        self._works_in_writer = own is not None and own.status is Status.PASS
        cells: dict[int, list[int]] = {}
        inferred: list[list[int | str]] = []
        for place, reader in enumerate(self._board.environments):
            record = self._block.get((name, reader))
            if record is None:
                continue
            if record.inferred is None:
                cells[place] = self._cell(record)
                continue
            source, by = self._source(record.inferred), record.inferred.get("by", "")
            last = inferred[-1] if inferred else [-1, 0, -1, ""]
            if last[2:] == [source, by] and last[0] + last[1] == place:  # type: ignore[operator]
                last[1] += 1  # type: ignore[operator]
            else:
                inferred.append([place, 1, source, by])
        if cells:
            self._cells[writer] = cells
        if inferred:
            self._inferred[writer] = inferred

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

    def text(self) -> str:
        """All of it as JSON."""
        return f'{{"cells":{_json(self._cells)},"inferred":{_json(self._inferred)},"parts":[{",".join(self._parts)}]}}'

    def _part(self, role: str, source: object, make: Callable[[], Iterable[Block]]) -> int:
        """The place of the blocks that `make` returns for `source`, an object of a record, in its role there."""
        text = self._made.get((role, id(source)))
        if text is None:
            text = _json(html.render(make()))
            if len(self._made) < _MAX_MADE:
                self._made[role, id(source)] = text
        if text not in self._parts:
            self._parts[text] = len(self._parts)
            self.size += len(text)
        return self._parts[text]

    def _cell(self, record: CellRecord) -> list[int]:
        limits, part = self._limits, self._part
        places = []
        if record.error:
            places.append(part("error", record.error, partial(error_blocks, record, limits)))
        if record.checks:
            is_told = "told" if record.error else ""
            places.append(part(f"checks {is_told}", record.checks, partial(check_blocks, record, limits)))
        if record.remedies:
            places.append(part(f"remedies {record.remedy}", record.remedies, partial(remedy_blocks, record, limits)))
        for side, outcome in (("save", record.save), ("load", record.load)):
            if outcome:
                places.append(part(side, outcome, partial(outcome_blocks, record, side, limits)))
        rules = promised(
            policy_of(self._board.run.header, record.format),
            self._board.versions(record.writer),
            self._board.versions(record.reader),
            works_in_writer=self._works_in_writer,
        )
        if rules:
            violated = broken(rules, record)
            role = " ".join(["promises", *(rule.name for rule in rules), "broken", *(rule.name for rule in violated)])
            places.append(part(role, None, partial(promise_blocks, rules, violated)))
        if record.artifact:
            places.append(part("artifact", record.artifact, partial(artifact_blocks, record.artifact, limits)))
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
