"""The report of a run as blocks, in the order in which a person needs them.

First what is news, then the overview, the environments, what is known, and each scenario with its tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfmatrix.analysis.causes import names_of, spoken, unreviewed
from tfmatrix.analysis.looks import Counts, Look
from tfmatrix.analysis.records import delta, in_order
from tfmatrix.analysis.squares import NONE, Squares
from tfmatrix.core.packages import DISTRIBUTIONS, packages_of, version_among
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.core.text import Code, Inline, Link, Mark, cells, joined, one_line, with_code
from tfmatrix.reports.cells import cell_lines, counted, counted_lines, legend, matrix
from tfmatrix.reports.claims import Claims, evidence, short_error
from tfmatrix.reports.document import Block, Bullets, Commands, Heading, Paragraph, Quote, Table
from tfmatrix.reports.heatmap import drawn, heat_map, single_field
from tfmatrix.store.runs import Run

CORNER = "writer↓ reader→"

LIST_LIMIT = 30
"""Cells that a list names; the rest is counted, and stands in the tables and in every other format."""


def build(run: Run, *, detail: bool = True) -> list[Block]:
    """The whole report; without `detail` it ends before the scenarios, for the end of a run on a terminal."""
    squares = Squares.of(run)
    order = squares.environments
    blocks: list[Block] = [*_head(run, squares), *_news(run, squares), *_fixed(run, squares)]
    blocks += _unmeasured(run, squares)
    shown: list[Inline] = []
    if run.records:
        pairs = squares.counts_by_pair()
        overview = _matrix(pairs, order, counted, counted_lines)
        blocks += [Heading(level=2, text=("Overview",)), overview]
        shown += _cells_of(overview)
    blocks += _environments(run)
    blocks += _known(run, squares)
    if detail and run.records:
        draw = _Drawn(squares)
        blocks += _scenarios(run, squares, draw)
        shown += draw.cells
    if run.records:
        blocks += [
            Heading(level=2, text=("Legend",)),
            Bullets.of(legend({each.status for each in squares.examples}, shown)),
        ]
    return blocks


def _head(run: Run, squares: Squares) -> Iterable[Block]:
    header = run.header
    yield Heading(level=1, text=(f"tfmatrix run {one_line(run.id, 80)}",))
    executor = header.get("executor") or {}
    reason = f" ({one_line(executor['reason'])})" if executor.get("reason") else ""
    facts = {
        "started": header.get("started"),
        "finished": header.get("finished"),
        "set": header.get("set"),
        "executor": f"{one_line(executor['name'])}{reason}" if executor.get("name") else None,
        "tfmatrix": header.get("tfmatrix"),
    }
    yield Paragraph(text=(", ".join(f"{name} {one_line(value)}" for name, value in facts.items() if value) + ".",))
    if not run.is_complete:
        yield Heading(level=2, text=("This run did not come to its end: only finished cells are counted",), alarm=True)
    if run.problems:
        yield Bullets.of((one_line(problem),) for problem in run.problems)
    if not run.records:
        yield Paragraph(text=("No cells.",))
        return
    counts = squares.counts(squares.kind)
    broken = {look: count for look, count in counts.items() if look.status.is_incompatibility}
    news = sum(count for look, count in broken.items() if not look.known and not look.inferred)
    said = ""
    if broken:
        nobody = len(unreviewed(run, squares))
        listed = sum(count for look, count in broken.items() if look.known)
        known = f"{listed} known" + (f" ({nobody} of them accepted, reviewed by nobody)" if nobody else "")
        # What is inferred is no news before it was measured, and is not known either.
        failing = sum(broken.values())
        inferred = failing - listed - news
        rest = f" Inferred, and not listed: {inferred}." if inferred else ""
        said = f" {failing} incompatible, of which {known} and {news} new.{rest}"
    yield Paragraph(text=(f"{cells(len(run.records))}: ", *counted(counts), f".{said}"))
    yield from _inference(run)


def _inference(run: Run) -> Iterable[Block]:
    """How much is inferred, and how sure that is."""
    found = run.header.get("inference") or {}
    if not found.get("inferred"):
        return
    audit = found["audit"]
    said = f"{cells(found['measured'])} measured, {found['inferred']} inferred from them. "
    if audit["cells"]:
        said += (
            f"Of {audit['cells']} inferred cells that were measured nevertheless, {audit['wrong']} were wrong: "
            f"with 95 % confidence at most {100 * audit['upper_bound']:.2f} % of the others are."
        )
    else:
        said += "No sample of these was measured."
    yield Paragraph(text=(said,))


def _news(run: Run, squares: Squares) -> Iterable[Block]:
    news = squares.records(run, lambda record: record.is_news, "status", "known", "inferred")
    if not news:
        return
    what = "unexpected incompatibility" if len(news) == 1 else "unexpected incompatibilities"
    yield Heading(level=2, text=(f"{len(news)} {what}: not listed in known_failures.yaml",), alarm=True)
    yield _cell_list(news, lambda record: (f" {record.status.value}", *_after(": ", evidence(record))))
    yield Paragraph(text=("For the evidence of one:",))
    yield Commands(lines=((f"tfmatrix explain {_cell(news[0])}", ""),))


def _fixed(run: Run, squares: Squares) -> Iterable[Block]:
    fixed = squares.records(run, lambda record: record.fixed, "fixed")
    if not fixed:
        return
    verb = "passes" if len(fixed) == 1 else "pass"
    yield Heading(level=2, text=(f"{cells(len(fixed))} listed in known_failures.yaml now {verb}",), alarm=True)
    yield _cell_list(fixed, lambda record: (f" {record.status.value}",))
    yield Paragraph(text=("Remove or narrow their entries, so that a relapse is news.",))


def _unmeasured(run: Run, squares: Squares) -> Iterable[Block]:
    lost = squares.records(run, lambda record: record.status is Status.INFRA_ERROR, "status")
    if not lost:
        return
    were = "was" if len(lost) == 1 else "were"
    yield Heading(level=2, text=(f"{cells(len(lost))} {were} not measured (infra-error)",), alarm=True)
    reasons = Counter(short_error(record.error) or "no reason was recorded" for record in lost)
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    items: list[Inline] = [(f"{cells(count)}: ", Code(reason)) for reason, count in ranked[:LIST_LIMIT]]
    if len(ranked) > LIST_LIMIT:
        items.append((f"and {len(ranked) - LIST_LIMIT} more reasons",))
    yield Bullets.of(items)


def _matrix(
    pairs: Mapping[tuple[str, str], Counts],
    order: Sequence[str],
    wide: Callable[[Counts], Inline],
    narrow: Callable[[Counts], Sequence[Inline]],
) -> Table:
    readers, rows = matrix(pairs, order, wide)
    _, narrow_rows = matrix(pairs, order, lambda counts: joined(narrow(counts), "\n"))
    return Table(head=(CORNER, *readers), rows=rows, narrow=narrow_rows, heat=heat_map(pairs, order))


def _environments(run: Run) -> Iterable[Block]:
    """What each environment consists of; a package that no environment has gets no column."""
    found: dict[str, dict[str, str]] = {}
    for name, environment in (run.header.get("environments") or {}).items():
        packages = packages_of(environment)
        row = {title: version_among(packages, names) for title, names in DISTRIBUTIONS.items()}
        row["TensorFlow"] = row["TensorFlow"] or str(environment.get("tensorflow") or "")
        row["Keras"] = row["Keras"] or str(environment.get("keras") or "")
        row["Python"] = str(environment.get("python") or "")
        found[name] = row
    titles = ("TensorFlow", "Keras", "tf-keras", "Python", "numpy", "h5py", "protobuf")
    shown = [title for title in titles if any(row[title] for row in found.values())]
    if shown:
        yield Heading(level=2, text=("Environments",))
        rows = tuple(
            ((one_line(name, 60),), *((one_line(row[title], 30),) if row[title] else () for title in shown))
            for name, row in found.items()
        )
        yield Table(head=("environment", *shown), rows=rows, narrow=rows)


def _known(run: Run, squares: Squares) -> Iterable[Block]:
    entries = run.header.get("known_failures") or []
    counts = [sum(int(mask.sum()) for mask in found.values()) for found in spoken(squares, entries)]
    items = [_known_entry(entry, count) for entry, count in zip(entries, counts, strict=True) if count]
    if items:
        yield Heading(level=2, text=("Known failures",))
        yield Bullets.of(items)
    match counts.count(0):
        case 0:
            return
        case 1:
            yield Paragraph(text=("1 entry of known_failures.yaml applies to no cell of this run.",))
        case silent:
            yield Paragraph(text=(f"{silent} entries of known_failures.yaml apply to no cell of this run.",))


def _known_entry(entry: Mapping[str, Any], count: int) -> Inline:
    marks = [f"until {one_line(entry['until'], 40)}"] if entry.get("until") else []
    marks += ["reviewed by nobody"] if entry.get("reviewed") is False else []
    until = f" ({', '.join(marks)})" if marks else ""
    link: Inline = (" ", Link(one_line(entry["link"]))) if entry.get("link") else ()
    where = joined([(Code(one_line(glob)),) for glob in names_of(entry.get("cells"))], ", ")
    reason = with_code(str(entry.get("reason") or "no reason given"))
    return (f"{cells(count)}: ", *reason, until, *link, " — ", *where)


def _scenarios(run: Run, squares: Squares, draw: _Drawn) -> Iterable[Block]:
    described = run.header.get("scenarios") or {}
    claims = Claims(squares)
    formats: dict[str, list[str]] = {}
    for scenario, name in squares.members:
        formats.setdefault(scenario, []).append(name)
    for scenario in in_order(formats, described):
        about = described.get(scenario) or {}
        title: Inline = (": ", *with_code(about["title"])) if about.get("title") else ()
        yield Heading(level=2, text=(one_line(scenario, 80), *title))
        if about.get("description"):
            yield Quote(text=str(about["description"]))
        yield Paragraph(text=claims.paragraph(*(squares.blocks[scenario, name] for name in formats[scenario])))
        for name in in_order(formats[scenario], run.header.get("formats") or ()):
            yield Heading(level=3, text=(one_line(f"{scenario} / {name}", 120),))
            yield Bullets.of(claims.sentences(scenario, name))
            yield draw.table(squares.blocks[scenario, name])


class _Drawn:
    """Tables of single cells, each drawn once for all that look alike: a map has millions, of a few hundred looks."""

    def __init__(self, squares: Squares) -> None:
        self._order = squares.environments
        made: dict[object, tuple[Inline, Inline, Mark]] = {}
        found: list[tuple[Inline | None, Inline | None, Mark | None]] = []
        for record in squares.examples:
            look = Look.of(record)
            key = (look, record.fixed, record.flaky, record.failed_checks, record.remedy, str(delta(record)))
            if key not in made:
                lines = cell_lines(record)
                made[key] = joined(lines, " "), joined(lines, "\n"), single_field(look)
            found.append(made[key])
        # The last one stands for NONE.
        self._wide, self._narrow, self._heat = (
            _objects([*column, nothing])
            for column, nothing in zip(zip(*found, strict=True), ((), (), None), strict=True)
        )
        self.cells: list[Inline] = [wide for wide, _, _ in made.values()]

    def table(self, kinds: NDArray[Any]) -> Table:
        """One scenario and format; environments without any cell have no row, respectively no column."""
        is_there = kinds != NONE
        writers, readers = np.flatnonzero(is_there.any(axis=1)), np.flatnonzero(is_there.any(axis=0))
        shown = kinds[np.ix_(writers, readers)]
        if (shown == NONE).any():
            self.cells.append(())
        names = [self._order[place] for place in writers.tolist()]
        columns = [self._order[place] for place in readers.tolist()]
        titles: list[Inline] = [(one_line(name, 60),) for name in names]
        wide, narrow = (
            tuple((title, *row) for title, row in zip(titles, fields[shown].tolist(), strict=True))
            for fields in (self._wide, self._narrow)
        )
        marks = [(name, tuple(row)) for name, row in zip(names, self._heat[shown].tolist(), strict=True)]
        return Table(
            head=(CORNER, *(one_line(name, 60) for name in columns)),
            rows=wide,
            narrow=narrow,
            heat=drawn(self._order, columns, marks, single=True),
        )


def _objects(values: Sequence[object]) -> NDArray[Any]:
    """An array of what numpy would take apart."""
    found = np.empty(len(values), object)
    for place, value in enumerate(values):
        found[place] = value
    return found


def _cell_list(records: Sequence[CellRecord], said: Callable[[CellRecord], Inline]) -> Bullets:
    items: list[Inline] = [(Code(_cell(record)), *said(record)) for record in records[:LIST_LIMIT]]
    if len(records) > LIST_LIMIT:
        items.append((f"and {len(records) - LIST_LIMIT} more, in the tables below",))
    return Bullets.of(items)


def _cells_of(table: Table) -> list[Inline]:
    return [cell for row in table.rows for cell in row[1:]]


def _after(separator: str, inline: Inline) -> Inline:
    return (separator, *inline) if inline else ()


def _cell(record: CellRecord) -> str:
    return one_line(record.cell, 300)
