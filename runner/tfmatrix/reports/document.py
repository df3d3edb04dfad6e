"""The report of a run as a list of blocks, in the order in which a person needs them. How they look is not said here.

First what is news, then the overview, the environments, what is known, and each scenario with its tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfmatrix.core.globs import CELL_SEGMENTS, GlobSet
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.core.text import Code, Inline, Link, joined, one_line, with_code
from tfmatrix.reports.cells import cell_lines, counted, counted_lines, legend
from tfmatrix.reports.claims import evidence, paragraph, sentences, short_error
from tfmatrix.reports.heatmap import HeatMap, heat_map
from tfmatrix.reports.tables import environment_order, environments, matrix
from tfmatrix.store.runs import Run

if TYPE_CHECKING:
    import pandas as pd

LIST_LIMIT = 30
"""Cells that a list names; the rest is counted, and stands in the tables and in every other format."""


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A title; 1 is the report's own. An alarm is news that wants to be seen."""

    level: int
    text: Inline
    alarm: bool = False


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """Running text."""

    text: Inline


@dataclass(frozen=True, kw_only=True)
class Command:
    """A line to be copied into a shell."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Quote:
    """Markdown of a scenario's author, several lines."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Bullets:
    """A list."""

    items: tuple[Inline, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table twice: with one line a cell, and with narrower columns whose cells may hold several lines.

    `heat` is it a third time, for so many readers that even those would be many tables.
    """

    corner: str
    wide: pd.DataFrame
    narrow: pd.DataFrame
    heat: HeatMap | None = None


Block = Heading | Paragraph | Command | Quote | Bullets | Table


def build(run: Run, *, detail: bool = True) -> list[Block]:
    """The whole report; without `detail` it ends before the scenarios, for the end of a run on a terminal."""
    order = environment_order(run)
    blocks = [*_head(run), *_news(run), *_fixed(run), *_unmeasured(run)]
    shown: list[str] = []
    if run.records:
        overview = _overview(run, order)
        blocks += [Heading(level=2, text=("Overview",)), overview]
        shown += _texts(overview)
    blocks += _environments(run)
    blocks += _known(run)
    if detail:
        for block in _scenarios(run, order):
            blocks.append(block)
            if isinstance(block, Table):
                shown += _texts(block)
    if run.records:
        blocks += [Heading(level=2, text=("Legend",)), Bullets(items=legend(run.records, shown))]
    return blocks


def _head(run: Run) -> Iterable[Block]:
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
        yield Bullets(items=tuple((one_line(problem),) for problem in run.problems))
    if not run.records:
        yield Paragraph(text=("No cells.",))
        return
    broken = [record for record in run.records if record.status.is_incompatibility]
    news = sum(record.is_news for record in broken)
    said = f" {len(broken)} incompatible, of which {len(broken) - news} known and {news} new." if broken else ""
    yield Paragraph(text=(f"{_cells(len(run.records))}: {counted(run.records)}.{said}",))


def _news(run: Run) -> Iterable[Block]:
    news = [record for record in run.records if record.is_news]
    if not news:
        return
    what = "unexpected incompatibility" if len(news) == 1 else "unexpected incompatibilities"
    yield Heading(level=2, text=(f"{len(news)} {what}: not listed in known_failures.yaml",), alarm=True)
    yield _cell_list(news, lambda record: (f" {record.status.value}", *_after(": ", evidence(record))))
    yield Paragraph(text=("For the evidence of one:",))
    yield Command(text=f"tfmatrix explain {_cell(news[0])}")


def _fixed(run: Run) -> Iterable[Block]:
    fixed = [record for record in run.records if record.fixed]
    if not fixed:
        return
    verb = "passes" if len(fixed) == 1 else "pass"
    yield Heading(level=2, text=(f"{_cells(len(fixed))} listed in known_failures.yaml now {verb}",), alarm=True)
    yield _cell_list(fixed, lambda record: (f" {record.status.value}",))
    yield Paragraph(text=("Remove or narrow their entries, so that a relapse is news.",))


def _unmeasured(run: Run) -> Iterable[Block]:
    lost = [record for record in run.records if record.status is Status.INFRA_ERROR]
    if not lost:
        return
    were = "was" if len(lost) == 1 else "were"
    yield Heading(level=2, text=(f"{_cells(len(lost))} {were} not measured (infra-error)",), alarm=True)
    reasons = Counter(short_error(record.error) or "no reason was recorded" for record in lost)
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    items: list[Inline] = [(f"{_cells(count)}: ", Code(reason)) for reason, count in ranked[:LIST_LIMIT]]
    if len(ranked) > LIST_LIMIT:
        items.append((f"and {len(ranked) - LIST_LIMIT} more reasons",))
    yield Bullets(items=tuple(items))


def _overview(run: Run, order: Sequence[str]) -> Table:
    return Table(
        corner="writer↓ reader→",
        wide=matrix(run.records, order, counted),
        narrow=matrix(run.records, order, lambda group: "\n".join(counted_lines(group))),
        heat=heat_map(run.records, order),
    )


def _environments(run: Run) -> Iterable[Block]:
    frame = environments(run)
    if len(frame.columns):
        yield Heading(level=2, text=("Environments",))
        yield Table(corner="environment", wide=frame, narrow=frame)


def _known(run: Run) -> Iterable[Block]:
    entries = run.header.get("known_failures") or []
    marked = [record for record in run.records if record.known or record.fixed]
    counts = [_count_of_entry(entry, marked) for entry in entries]
    items = [_known_entry(entry, count) for entry, count in zip(entries, counts, strict=True) if count]
    if items:
        yield Heading(level=2, text=("Known failures",))
        yield Bullets(items=tuple(items))
    match counts.count(0):
        case 0:
            return
        case 1:
            yield Paragraph(text=("1 entry of known_failures.yaml applies to no cell of this run.",))
        case silent:
            yield Paragraph(text=(f"{silent} entries of known_failures.yaml apply to no cell of this run.",))


def _count_of_entry(entry: Mapping[str, Any], marked: Sequence[CellRecord]) -> int:
    """The known cells that an entry speaks of, and the fixed ones: those have another status than it lists."""
    globs, statuses = GlobSet(_listed(entry.get("cells")), segments=CELL_SEGMENTS), _listed(entry.get("status"))
    return sum((record.fixed or record.status.value in statuses) and globs.matches(record.cell) for record in marked)


def _known_entry(entry: Mapping[str, Any], count: int) -> Inline:
    until = f" (until {one_line(entry['until'], 40)})" if entry.get("until") else ""
    link: Inline = (" ", Link(one_line(entry["link"]))) if entry.get("link") else ()
    where = joined([(Code(one_line(glob)),) for glob in _listed(entry.get("cells"))], ", ")
    reason = with_code(str(entry.get("reason") or "no reason given"))
    return (f"{_cells(count)}: ", *reason, until, *link, " — ", *where)


def _listed(value: Any) -> list[str]:
    """One or several names, as the header has them."""
    return [value] if isinstance(value, str) else list(value or ())


def _scenarios(run: Run, order: Sequence[str]) -> Iterable[Block]:
    described = run.header.get("scenarios") or {}
    formats = list(run.header.get("formats") or [])
    for scenario in _ordered({record.scenario for record in run.records}, described):
        records = [record for record in run.records if record.scenario == scenario]
        about = described.get(scenario) or {}
        title: Inline = (": ", *with_code(about["title"])) if about.get("title") else ()
        yield Heading(level=2, text=(one_line(scenario, 80), *title))
        if about.get("description"):
            yield Quote(text=str(about["description"]))
        yield Paragraph(text=paragraph(records))
        for name in _ordered({record.format for record in records}, formats):
            cells = [record for record in records if record.format == name]
            yield Heading(level=3, text=(one_line(f"{scenario} / {name}", 120),))
            yield Bullets(items=sentences(cells, order))
            yield Table(
                corner="writer↓ reader→",
                wide=matrix(cells, order, lambda group: " ".join(cell_lines(group[0]))),
                narrow=matrix(cells, order, lambda group: "\n".join(cell_lines(group[0]))),
                heat=heat_map(cells, order),
            )


def _cell_list(records: Sequence[CellRecord], said: Callable[[CellRecord], Inline]) -> Bullets:
    items: list[Inline] = [(Code(_cell(record)), *said(record)) for record in records[:LIST_LIMIT]]
    if len(records) > LIST_LIMIT:
        items.append((f"and {len(records) - LIST_LIMIT} more, in the tables below",))
    return Bullets(items=tuple(items))


def _texts(table: Table) -> list[str]:
    return [text for row in table.wide.to_numpy().tolist() for text in row]


def _ordered(names: set[str], listed: Iterable[str]) -> list[str]:
    """Names in the order of a list, then the others by name."""
    first = [name for name in listed if name in names]
    return first + sorted(names - set(first))


def _after(separator: str, inline: Inline) -> Inline:
    return (separator, *inline) if inline else ()


def _cell(record: CellRecord) -> str:
    return one_line(record.cell, 300)


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"
