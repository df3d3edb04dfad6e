"""What the site's scripts read: files that call `tfmatrix.receive(NAME, VALUE)`.

Scripts are loaded with `<script src>`, because a page opened from a disk may not fetch. A run has

- `data/RUN/index.js`: names, causes, and for each scenario and format one character per cell;
- `data/RUN/cells/S-F-W.js`: the evidence of one save (numbers of scenario, format, writer) and of all its loads.

Texts are printable and cut; nothing in them is markup.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tfmatrix.analysis.records import delta, warnings_of
from tfmatrix.checks.policy import Rule, broken, promised
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.core.text import cut, number
from tfmatrix.core.versions import Versions
from tfmatrix.reports.site.board import Board
from tfmatrix.reports.site.names import shown

MAX_FILE = 5_000_000
"""Bytes that no file of the site exceeds."""

MARKS = ("known", "fixed", "flaky", "promised", "remedy")
"""Bits of a cell's second character, which is 0 to 9, then a to v."""

_DIGITS = "0123456789abcdefghijklmnopqrstuv"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much of a text and of a list a page holds."""

    text: int
    items: int


LIMITS = (Limits(text=20_000, items=100), Limits(text=2_000, items=20), Limits(text=200, items=5))
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


def index(board: Board, *, evidence: bool) -> dict[str, Any]:
    """The whole run with one character per cell. `evidence`: whether the files of its cells are written too."""
    header = board.run.header
    remedies: dict[str, int] = {}
    cause_sets: dict[tuple[int, ...], int] = {(): 0}
    blocks = [
        _block(board, place, kind, board.block(scenario, fmt), remedies, cause_sets)
        for place, scenario in enumerate(board.scenarios)
        for kind, fmt in enumerate(board.formats)
        if board.block(scenario, fmt)
    ]
    return {
        "run": shown(board.run.id),
        "started": shown(header.get("started") or ""),
        "finished": shown(header.get("finished") or ""),
        "evidence": evidence,
        "environments": [_environment(board, name) for name in board.environments],
        "scenarios": [
            {
                "name": shown(name),
                "title": shown(board.title(name)),
                "tags": [shown(tag) for tag in board.tags(name)],
                "page": board.scenario_slugs[name],
            }
            for name in board.scenarios
        ],
        "formats": [{"name": shown(name), "page": board.format_slugs[name]} for name in board.formats],
        "causes": [{"id": cause.id, "title": cut(cause.title, 300)} for cause in board.causes],
        "cause_sets": [list(places) for places in cause_sets],
        "blocks": blocks,
        "remedies": [shown(name) for name in remedies],
    }


def _environment(board: Board, name: str) -> dict[str, Any]:
    versions = board.versions(name)
    packages = [[shown(package), shown(version)] for package, version in board.packages(name).items()]
    return {
        "name": shown(name),
        "tensorflow": shown(versions.tensorflow),
        "keras": shown(versions.keras),
        "packages": packages[:400],
    }


def _block(
    board: Board,
    scenario: int,
    fmt: int,
    cells: Mapping[tuple[str, str], CellRecord],
    remedies: dict[str, int],
    cause_sets: dict[tuple[int, ...], int],
) -> dict[str, Any]:
    """One scenario and format; cells row by row, a row for each writer."""
    statuses, marks, causes = [], [], []
    differences, helped = {}, {}
    for place, pair in enumerate((writer, reader) for writer in board.environments for reader in board.environments):
        record = cells.get(pair)
        if record is None:
            statuses.append(".")
            marks.append("0")
            causes.append(0)
            continue
        statuses.append(record.status.code)
        marks.append(_DIGITS[_bits(record)])
        causes.append(cause_sets.setdefault(board.cause_places.get(record.cell, ()), len(cause_sets)))
        difference = delta(record)
        if difference is not None:
            differences[str(place)] = number(difference)
        if record.remedy:
            helped[str(place)] = remedies.setdefault(record.remedy, len(remedies))
    return {
        "s": scenario,
        "f": fmt,
        "status": "".join(statuses),
        "marks": "".join(marks),
        "causes": _run_lengths(causes),
        "differences": differences,
        "remedies": helped,
    }


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


def evidence(board: Board, run_folder: str) -> Iterator[tuple[str, str]]:
    """The files of all cells: name within the run's data folder, and content."""
    made: dict[Limits, _Texts] = {limits: {} for limits in LIMITS}
    for scenario_place, scenario in enumerate(board.scenarios):
        for format_place, fmt in enumerate(board.formats):
            block = board.block(scenario, fmt)
            for writer_place, writer in enumerate(board.environments):
                cells = [block.get((writer, reader)) for reader in board.environments]
                if any(cells):
                    name = f"cells/{scenario_place}-{format_place}-{writer_place}"
                    own = block.get((writer, writer))
                    yield f"{name}.js", _save_file(board, f"{run_folder}/{name}", cells, own, made)


_MAX_MADE = 20_000

_Texts = dict[tuple[str, int], str]
"""(role, identity of a record's object) → what it is as JSON."""


def _save_file(
    board: Board,
    name: str,
    cells: Sequence[CellRecord | None],
    own: CellRecord | None,
    made: Mapping[Limits, _Texts],
) -> str:
    works = own is not None and own.status is Status.PASS
    for limits in LIMITS:
        content = _called(name, _Evidence(board, limits, made[limits], works_in_writer=works).of(cells))
        if len(content) <= MAX_FILE:
            break
    return content


class _Evidence:
    """The cells of one save. What several of them say alike stands once, in `parts`."""

    def __init__(self, board: Board, limits: Limits, made: _Texts, *, works_in_writer: bool) -> None:
        self._board = board
        self._limits = limits
        self._works = works_in_writer
        self._parts: dict[str, int] = {}
        # Records share equal objects, and live as long as their board: an identity stands for one text.
        self._made = made

    def of(self, cells: Sequence[CellRecord | None]) -> str:
        shown_cells = _json({place: self._cell(record) for place, record in enumerate(cells) if record is not None})
        return f'{{"cells":{shown_cells},"parts":[{",".join(self._parts)}]}}'

    def _part(self, role: str, source: object, make: Callable[[], Any]) -> int:
        """The place of what `make` returns for `source`, an object of a record, in its role there."""
        text = self._made.get((role, id(source)))
        if text is None:
            text = _json(make())
            if len(self._made) < _MAX_MADE:
                self._made[role, id(source)] = text
        return self._parts.setdefault(text, len(self._parts))

    def _cell(self, record: CellRecord) -> dict[str, Any]:
        rules = _rules(self._board.versions(record.writer), self._board.versions(record.reader), record, self._works)
        violated = broken(rules, record)
        cell: dict[str, Any] = {
            "failed": [shown(name) for name in record.failed_checks],
            "checks": [
                self._part(name, check, partial(self._check, name, check))
                for name, check in self._first(record.checks.items())
            ],
            "seconds": round(record.seconds, 2),
            "cached": record.cached,
        }
        for side, outcome in (("save", record.save), ("load", record.load)):
            if outcome:
                cell[side] = self._part(f"{side} outcome", outcome, partial(self._outcome, record, side))
        if record.error:
            cell["error"] = self._part("error", record.error, partial(self._error, record.error))
        if record.remedies:
            cell["remedies"] = [
                [shown(each.get("name")), shown(each.get("status")), self._text(each.get("detail") or "", 600)]
                for each in self._first(record.remedies)
            ]
            cell["remedy"] = shown(record.remedy) if record.remedy else None
        sentence = (record.attribution or {}).get("sentence")
        if sentence:
            cell["attribution"] = self._text(sentence, 1000)
        if record.artifact:
            cell["artifact"] = self._part("artifact", record.artifact, partial(self._artifact, record.artifact))
        if rules:
            cell["promises"] = [
                [rule in violated, rule.said, rule.limits, rule.source.title, rule.source.url] for rule in rules
            ]
        return cell

    def _check(self, name: str, check: Mapping[str, Any]) -> dict[str, Any]:
        detail = check.get("detail") or ()
        sentences = [detail] if isinstance(detail, str) else detail
        return {
            "name": shown(name),
            "status": shown(check.get("status")),
            "figures": [
                [shown(key), self._figure(value)]
                for key, value in self._first(check.items())
                if key not in ("status", "findings", "detail") and value not in (None, "", [], {})
            ],
            "detail": [self._text(sentence, 1000) for sentence in self._first(sentences)],
        }

    def _figure(self, value: object) -> str:
        match value:
            case bool():
                return "yes" if value else "no"
            case int():
                return str(value)
            case float():
                return f"{value:.6g}"
            case list() | tuple():
                more = ["…"] if len(value) > 12 else []
                return ", ".join([*(self._figure(item) for item in value[:12]), *more])
            case dict():
                return self._text(
                    ", ".join(f"{key} {self._figure(item)}" for key, item in self._first(value.items())), 600
                )
            case _:
                return self._text(value, 600)

    def _error(self, error: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "phase": shown(error.get("phase") or ""),
            "type": shown(error.get("type") or ""),
            "message": self._text(error.get("message") or ""),
            "traceback": self._text(error.get("traceback") or ""),
        }

    def _artifact(self, artifact: Mapping[str, Any]) -> dict[str, str]:
        return {shown(key): shown(value) for key, value in self._first(artifact.items())}

    def _outcome(self, record: CellRecord, side: str) -> dict[str, Any]:
        outcome = record.save if side == "save" else record.load
        return {
            "status": shown(outcome.get("status") or ""),
            "seconds": self._figure(outcome.get("seconds") or 0),
            "warnings": [
                [
                    shown(warning.get("phase") or side),
                    shown(warning.get("category") or warning.get("channel") or ""),
                    self._text(warning.get("message") or "", 4000),
                    warning["count"] if isinstance(warning.get("count"), int) else 1,
                ]
                for warning in self._first(warnings_of(record, side))
            ],
        }

    def _first(self, items: Iterable[Any]) -> Iterator[Any]:
        for place, item in enumerate(items):
            if place >= self._limits.items:
                return
            yield item

    def _text(self, text: object, limit: int | None = None) -> str:
        return cut(text, min(limit or self._limits.text, self._limits.text))


def _rules(writer: Versions, reader: Versions, record: CellRecord, works: bool) -> tuple[Rule, ...]:
    return promised(record.id, writer, reader, works_in_writer=works)
