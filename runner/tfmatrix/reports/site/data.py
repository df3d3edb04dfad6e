"""What the site's scripts read: files that call `tfmatrix.receive(NAME, VALUE)`.

Scripts are loaded with `<script src>`, because a page opened from a disk may not fetch. A run has

- `data/RUN/index.js`: names, causes, and for each scenario and format one character per cell, many alike as `~N~C`;
- `data/RUN/cells/S-F-W.js`: the evidence of one save (numbers of scenario, format, writer) and of all its loads;
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

MARKS = ("known", "fixed", "flaky", "promised", "remedy")
"""Bits of a cell's second character, which is 0 to 9, then a to v."""

_DIGITS = "0123456789abcdefghijklmnopqrstuv"


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


def index(grid: Grid, *, evidence: bool) -> dict[str, Any]:
    """The whole run with one character per cell. `evidence`: whether the files of its cells are written too."""
    header = grid.run.header
    remedies: dict[str, int] = {}
    cause_sets: dict[tuple[int, ...], int] = {(): 0}
    blocks = [
        _block(grid, place, kind, grid.block(scenario, fmt), remedies, cause_sets)
        for place, scenario in enumerate(grid.scenarios)
        for kind, fmt in enumerate(grid.formats)
        if grid.block(scenario, fmt)
    ]
    return {
        "run": shown(grid.run.id),
        "started": shown(header.get("started") or ""),
        "finished": shown(header.get("finished") or ""),
        "evidence": evidence,
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
        "remedies": [shown(name) for name in remedies],
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
) -> dict[str, Any]:
    """One scenario and format; cells row by row, a row for each writer."""
    statuses, marks, causes = [], [], []
    differences, helped = {}, {}
    for place, pair in enumerate((writer, reader) for writer in grid.environments for reader in grid.environments):
        record = cells.get(pair)
        if record is None:
            statuses.append(".")
            marks.append("0")
            causes.append(0)
            continue
        statuses.append(record.status.code)
        marks.append(_DIGITS[_bits(record)])
        causes.append(cause_sets.setdefault(grid.cause_places.get(record.cell, ()), len(cause_sets)))
        difference = delta(record)
        if difference is not None:
            differences[str(place)] = number(difference)
        if record.remedy:
            helped[str(place)] = remedies.setdefault(record.remedy, len(remedies))
    return {
        "s": scenario,
        "f": fmt,
        "status": packed("".join(statuses)),
        "marks": packed("".join(marks)),
        "causes": _run_lengths(causes),
        "differences": differences,
        "remedies": helped,
    }


_ALIKE = re.compile(r"(.)\1{5,}")


def packed(text: str) -> str:
    """Six and more characters that are alike as `~N~C`: most of a map is not asked, or passes."""
    return _ALIKE.sub(lambda run: f"~{len(run[0])}~{run[1]}", text)


def _bits(record: CellRecord) -> int:
    flags = (record.known, record.fixed, record.flaky, record.promised, bool(record.remedy))
    return sum(1 << place for place, flag in enumerate(flags) if flag)


def _run_lengths(values: Sequence[int]) -> list[int]:
    """[value, times, value, times, …]"""
    lengths: list[int] = []
    for value in values:
        if lengths and lengths[-2] == value:
            lengths[-1] += 1
        else:
            lengths += [value, 1]
    return lengths


def evidence(grid: Grid, run_folder: str) -> Iterator[tuple[str, str]]:
    """The files of all cells: name within the run's data folder, and content."""
    made: dict[Limits, _Texts] = {limits: {} for limits in LIMITS}
    for scenario_place, scenario in enumerate(grid.scenarios):
        for format_place, fmt in enumerate(grid.formats):
            block = grid.block(scenario, fmt)
            for writer_place, writer in enumerate(grid.environments):
                cells = [block.get((writer, reader)) for reader in grid.environments]
                if any(cells):
                    name = f"cells/{scenario_place}-{format_place}-{writer_place}"
                    own = block.get((writer, writer))
                    yield f"{name}.js", _save_file(grid, f"{run_folder}/{name}", cells, own, made)


_MAX_MADE = 20_000

_Texts = dict[tuple[str, int], str]
"""(role, identity of a record's object) → what it is as JSON."""


def _save_file(
    grid: Grid,
    name: str,
    cells: Sequence[CellRecord | None],
    own: CellRecord | None,
    made: Mapping[Limits, _Texts],
) -> str:
    works = own is not None and own.status is Status.PASS
    for limits in LIMITS:
        content = _called(name, _Evidence(grid, limits, made[limits], works_in_writer=works).of(cells))
        if len(content) <= MAX_FILE:
            break
    return content


class _Evidence:
    """The cells of one save: each the places of its parts in `parts`, which are HTML. Equal parts stand once."""

    def __init__(self, grid: Grid, limits: Limits, made: _Texts, *, works_in_writer: bool) -> None:
        self._board = grid
        self._limits = limits
        self._works = works_in_writer
        self._parts: dict[str, int] = {}
        # Records share equal objects, and live as long as their grid: an identity stands for one text.
        self._made = made

    def of(self, cells: Sequence[CellRecord | None]) -> str:
        places = _json({place: self._cell(record) for place, record in enumerate(cells) if record is not None})
        return f'{{"cells":{places},"parts":[{",".join(self._parts)}]}}'

    def _part(self, role: str, source: object, make: Callable[[], Iterable[Block]]) -> int:
        """The place of the blocks that `make` returns for `source`, an object of a record, in its role there."""
        text = self._made.get((role, id(source)))
        if text is None:
            text = _json(html.render(make()))
            if len(self._made) < _MAX_MADE:
                self._made[role, id(source)] = text
        return self._parts.setdefault(text, len(self._parts))

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
            works_in_writer=self._works,
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
