"""Files beside the pages: matrix.json, cells.csv, table.md, junit.xml, news.atom, and a badge per upgrade.

Each is below MAX_FILE: what would be larger goes on in `NAME-2.EXT`, and so on, each part whole by itself.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from tfmatrix.analysis.diff.changes import Change, Changes, headline
from tfmatrix.analysis.squares import NONE
from tfmatrix.analysis.upgrades import Upgrade, UpgradeVerdict, neighbours
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.core.text import Inline, cut, one_line
from tfmatrix.reports import markdown
from tfmatrix.reports.cells import matrix
from tfmatrix.reports.claims import short_error
from tfmatrix.reports.document import Paragraph, Table
from tfmatrix.reports.run_report import CORNER
from tfmatrix.reports.site.data import MARKS, MAX_FILE, marks
from tfmatrix.reports.site.grid import Grid, Tally, cell_name
from tfmatrix.reports.site.health import Problem
from tfmatrix.reports.site.names import in_url, printable, shown

MATRIX_SCHEMA = 1
"""Version of matrix.json; matrix.schema.json describes it."""

_TARGET = MAX_FILE * 9 // 10
_COLOURS: Mapping[UpgradeVerdict, str] = {
    UpgradeVerdict.SAFE: "#0a5c8f",
    UpgradeVerdict.CHANGES: "#6b5900",
    UpgradeVerdict.UNSAFE: "#a63f00",
    UpgradeVerdict.UNKNOWN: "#595959",
}


def every_file(
    grid: Grid,
    upgrades: Mapping[tuple[str, str], Upgrade],
    problems: Sequence[Problem],
    news: Sequence[Changes],
    dates: Mapping[str, str],
    badges: Iterable[tuple[str, str]],
) -> Iterator[tuple[str, str]]:
    """Name and content of every file; `news` newest first, `dates` say when each run ended.

    `badges` are the steps that have one: of every pair they would be thousands of files that nobody asks for.
    """
    yield from matrix_json(grid, upgrades, problems)
    yield (
        "matrix.schema.json",
        resources.files("tfmatrix.reports.site").joinpath("matrix.schema.json").read_text("utf-8"),
    )
    yield from cells_csv(grid)
    yield "table.md", table_md(grid, upgrades)
    yield from junit(grid)
    yield "news.atom", atom(grid, news, dates)
    for before, after in sorted(badges):
        slug = grid.pair_slug(before, after)
        yield f"badges/{slug}.svg", badge(upgrades[before, after])
        yield f"badges/{slug}.json", json.dumps(endpoint(upgrades[before, after]), indent=1) + "\n"


def _in_parts(pieces: Iterable[str], extra: int) -> list[list[str]]:
    """Pieces in groups that stay below the limit, `extra` being what each file has beside them."""
    parts: list[list[str]] = [[]]
    size = extra
    for piece in pieces:
        length = len(piece.encode("utf-8"))
        if parts[-1] and size + length > _TARGET:
            parts.append([])
            size = extra
        parts[-1].append(piece)
        size += length
    return parts


def _part_name(stem: str, ending: str, number: int) -> str:
    return f"{stem}.{ending}" if number == 0 else f"{stem}-{number + 1}.{ending}"


# matrix.json


def matrix_json(
    grid: Grid, upgrades: Mapping[tuple[str, str], Upgrade], problems: Sequence[Problem]
) -> Iterator[tuple[str, str]]:
    """The run's statuses as data. Keys and meaning: matrix.schema.json."""
    header = grid.run.header
    head: dict[str, Any] = {
        "schema": MATRIX_SCHEMA,
        "run": shown(grid.run.id),
        "started": shown(header.get("started") or ""),
        "finished": shown(header.get("finished") or ""),
        "set": shown(header.get("set") or ""),
        "tfmatrix": shown(header.get("tfmatrix") or ""),
        "complete": grid.run.is_complete,
        "counts": {status.value: count for status, count in sorted(grid.tally(*grid.blocks.values()).counts.items())},
        "problems": [{"kind": each.kind, "text": cut(each.text, 2000)} for each in problems],
        "environments": [
            {
                "id": shown(name),
                "tensorflow": shown(grid.versions(name).tensorflow),
                "keras": shown(grid.versions(name).keras),
                "python": shown(grid.packages(name).get("python", "")),
            }
            for name in grid.environments
        ],
        "scenarios": [
            {"name": shown(name), "title": shown(grid.title(name)), "tags": [shown(tag) for tag in grid.tags(name)]}
            for name in grid.scenarios
        ],
        "formats": [shown(name) for name in grid.formats],
        "upgrades": [
            {
                "from": shown(each.before),
                "to": shown(each.after),
                "verdict": each.verdict.value,
                "tested": each.tested,
                "breaks": len(each.breaks),
                "untried": each.untried,
                "changes": len(each.changes),
                "gone": len(each.gone),
                "not_measured": len(each.unmeasured) + len(each.missing),
                "failed_before": len(each.already),
            }
            for each in upgrades.values()
            if each.before != each.after
        ],
        "causes": [
            {
                "id": cause.id,
                "title": cut(cause.title, 300),
                "status": cause.status.value,
                "cells": len(cause.cells),
                "known": cause.known,
                "where": shown(cause.where),
                "first_reader": None if cause.first_reader is None else shown(cause.first_reader),
                "remedy": cause.remedy and shown(cause.remedy.name),
                "links": [shown(link.url) for link in cause.links],
            }
            for cause in grid.causes[:1000]
        ],
    }
    said = [" ".join([each.status.value, *_marks(each)]) for each in grid.squares.examples]
    # One more for NONE.
    texts = np.array([*map(json.dumps, said), "null"], object)
    parts = _in_parts(
        (row for square in sorted(grid.blocks) for row in _rows(grid, square, texts)), len(json.dumps(head)) + 1000
    )
    head["parts"] = [_part_name("matrix", "json", number) for number in range(len(parts))]
    for number, part in enumerate(parts):
        about = head if number == 0 else {key: head[key] for key in ("schema", "run", "parts", "environments")}
        cells = ",\n".join(part)
        yield _part_name("matrix", "json", number), f'{json.dumps(about)[:-1]},\n"cells": [\n{cells}\n]}}\n'


def _rows(grid: Grid, square: tuple[str, str], texts: NDArray[Any]) -> Iterator[str]:
    """One row a writer: a text for each environment as reader, null where there is no cell; `texts` are by kind."""
    scenario, fmt = map(shown, square)
    for writer, kinds in zip(grid.environments, grid.blocks[square].kinds, strict=True):
        if (kinds != NONE).any():
            row = {"scenario": scenario, "format": fmt, "writer": shown(writer), "readers": []}
            yield f"{json.dumps(row, separators=(',', ':'))[:-2]}{','.join(texts[kinds].tolist())}]}}"


def _marks(record: CellRecord) -> list[str]:
    return [name for name, is_set in zip(MARKS, marks(record), strict=True) if is_set]


# CSV, Markdown, JUnit


_CSV_HEAD = ("cell", "scenario", "format", "writer", "reader", "status", "marks", "failed_checks", "causes", "remedy")


def cells_csv(grid: Grid) -> Iterator[tuple[str, str]]:
    """One line per cell that was measured, as RFC 4180 has it; matrix.json has the inferred ones, too.

    Texts that a spreadsheet would compute begin with an apostrophe.
    """
    head = _csv_line(_CSV_HEAD)
    lines = (
        _csv_line(
            [
                cell_name(record),
                *map(shown, (record.scenario, record.format, record.writer, record.reader)),
                record.status.value,
                " ".join(_marks(record)),
                " ".join(map(shown, record.failed_checks)),
                " ".join(cause.id for cause in grid.causes_of(record)),
                shown(record.remedy) if record.remedy else "",
            ]
        )
        for record in _not_inferred(grid)
    )
    for number, part in enumerate(_in_parts(lines, len(head))):
        yield _part_name("cells", "csv", number), head + "".join(part)


def _not_inferred(grid: Grid) -> list[CellRecord]:
    return grid.records(lambda record: record.inferred is None)


def _csv_line(values: Sequence[str]) -> str:
    buffer = io.StringIO()
    safe = [f"'{value}" if value.startswith(("=", "+", "-", "@")) else value for value in values]
    csv.writer(buffer, lineterminator="\r\n").writerow(safe)
    return buffer.getvalue()


def table_md(grid: Grid, upgrades: Mapping[tuple[str, str], Upgrade]) -> str:
    """For a README: the verdict of each neighbouring upgrade, and the map of worst statuses."""
    counts = grid.tally(*grid.blocks.values()).summary or "no cells"
    about = f"Run {shown(grid.run.id)}, {shown(grid.run.header.get('finished') or '')}: {counts}."
    between = [upgrades[pair] for pair in neighbours(grid.environments)]
    verdicts: list[tuple[Inline, ...]] = [
        ((f"{shown(each.before)} → {shown(each.after)}",), (each.verdict.value,), (one_line(each.sentence, 300),))
        for each in between
    ]
    readers, rows = matrix(grid.tallies, grid.environments, lambda tally: (_field(tally),))
    return markdown.render([
        Paragraph(text=(about,)),
        Table(head=("upgrade", "verdict", "why"), rows=tuple(verdicts)),
        Table(head=(CORNER, *readers), rows=rows),
    ])  # fmt: skip


def _field(tally: Tally) -> str:
    assert tally.worst is not None  # A field without a cell is none.
    if not tally.failing:
        return {Status.PASS: f"✓ {tally.total}", Status.INFRA_ERROR: "? infra-error"}.get(
            tally.worst, tally.worst.value
        )
    return f"✗ {tally.worst.value} {tally.failing}/{tally.measured}"


def junit(grid: Grid) -> Iterator[tuple[str, str]]:
    """A test case per cell that was measured: a known incompatibility is skipped, an unlisted one is a failure."""
    begin = 0
    measured = _not_inferred(grid)
    for number, part in enumerate(_in_parts((_test_case(grid, record) for record in measured), 500)):
        records = measured[begin : begin + len(part)]
        begin += len(part)
        failures = sum(record.is_news for record in records)
        errors = sum(record.status is Status.INFRA_ERROR for record in records)
        passes = sum(record.status is Status.PASS for record in records)
        skipped = len(part) - failures - errors - passes
        name = _xml(f"tfmatrix {shown(grid.run.id)}")
        yield (
            _part_name("junit", "xml", number),
            f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="{name}">\n'
            f'<testsuite name="{name}" tests="{len(part)}" failures="{failures}" errors="{errors}" '
            f'skipped="{skipped}">\n'
            f"{''.join(part)}</testsuite>\n</testsuites>\n",
        )


def _test_case(grid: Grid, record: CellRecord) -> str:
    case = ET.Element(
        "testcase",
        classname=shown(f"{record.scenario}.{record.format}"),
        name=shown(f"{record.writer} → {record.reader}"),
        time=f"{record.seconds:.3f}",
    )
    titles = "; ".join(shown(cause.title) for cause in grid.causes_of(record))
    said = short_error(record.error) or titles or record.status.value
    if record.status is Status.INFRA_ERROR:
        ET.SubElement(case, "error", type=record.status.value, message=said)
    elif record.is_news:
        ET.SubElement(case, "failure", type=record.status.value, message=said)
    elif record.status is not Status.PASS:
        ET.SubElement(case, "skipped", message=f"{record.status.value}: {said}" + (" (known)" if record.known else ""))
    return ET.tostring(case, encoding="unicode") + "\n"


# News


def atom(grid: Grid, news: Sequence[Changes], dates: Mapping[str, str]) -> str:
    """A feed with an entry for each run that changed anything. Addresses are relative to the feed's own."""
    # Here, since only a site has a feed: it brings lxml.
    from feedgen.feed import FeedGenerator  # type: ignore[import-untyped]

    feed = FeedGenerator()
    feed.title("tfmatrix: news of the compatibility matrix")
    feed.id("tag:tfmatrix,2025:news")
    feed.updated(_moment(grid.run.header.get("finished") or grid.run.header.get("started")))
    feed.author(name="tfmatrix")
    feed.generator("tfmatrix")
    feed.link(rel="self", href="news.atom")
    feed.link(rel="alternate", href="index.html")
    for changes in news:
        if changes.is_empty:
            continue
        before, after = in_url(shown(changes.before)), in_url(shown(changes.after))
        entry = feed.add_entry(order="append")
        entry.title(printable(f"{headline(changes)} (run {shown(changes.after)})"))
        entry.id(f"tag:tfmatrix,2025:run/{after}")
        entry.updated(_moment(dates.get(changes.after)))
        entry.link(href=f"diff.html?a={before}&b={after}")
        entry.content(printable("\n".join(_entry_lines(changes))), type="text")
    text: bytes = feed.atom_str(pretty=True)
    return text.decode("utf-8")


def _moment(text: str | None) -> datetime:
    """A run's time with its zone; the feed's format wants one, so a run that has none is as old as can be."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return datetime(1970, 1, 1, tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _entry_lines(changes: Changes) -> Iterator[str]:
    kinds = (
        ("worse", changes.worse),
        ("drifted further", changes.grown),
        ("better", changes.better),
        ("different", changes.other),
    )
    for name, cells in kinds:
        for change in cells[:50]:
            yield f"{name}: {change_line(change)}"
        if len(cells) > 50:
            yield f"and {len(cells) - 50} more that are {name}"


def change_line(change: Change) -> str:
    """`dense/h5/2.12.1/2.16.2: pass → drift`."""
    before = change.before.status.value if change.before else "absent"
    after = change.after.status.value if change.after else "absent"
    return f"{one_line(change.cell, 300)}: {before} → {after}"


# Badges


def endpoint(upgrade: Upgrade) -> dict[str, Any]:
    """What shields.io's endpoint badge reads: https://shields.io/badges/endpoint-badge."""
    return {
        "schemaVersion": 1,
        "label": _label(upgrade),
        "message": upgrade.verdict.value.lower(),
        "color": _COLOURS[upgrade.verdict].lstrip("#"),
    }


def badge(upgrade: Upgrade) -> str:
    """The same as a picture, as wide as its text."""
    label, message = _label(upgrade), upgrade.verdict.value.lower()
    left, right = 7 * len(label) + 12, 7 * len(message) + 12
    words = _xml(f"{label}: {message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{words}">'
        f"<title>{words}</title>"
        f'<rect width="{left + right}" height="20" rx="3" fill="#3b4148"/>'
        f'<path d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{right - 3}z" '
        f'fill="{_COLOURS[upgrade.verdict]}"/>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{left / 2:g}" y="14" textLength="{left - 12}">{_xml(label)}</text>'
        f'<text x="{left + right / 2:g}" y="14" textLength="{right - 12}">{_xml(message)}</text></g></svg>\n'
    )


def _label(upgrade: Upgrade) -> str:
    return one_line(f"TensorFlow {shown(upgrade.before)} → {shown(upgrade.after)}", 100)


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
