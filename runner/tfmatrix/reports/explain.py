"""`tfmatrix explain`: everything a run knows about one cell, one cause, one warning, or a selection of cells."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, assert_never

from tfmatrix.analysis.causes import Cause, causes_of, find_causes
from tfmatrix.analysis.warnings import WarningEntry, catalogue
from tfmatrix.core.choices import DocumentFormat
from tfmatrix.core.errors import NothingSelectedError, UsageError
from tfmatrix.core.globs import CELL_SEGMENTS, GlobSet, did_you_mean_glob
from tfmatrix.core.hints import did_you_mean
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import WORST_FIRST
from tfmatrix.core.text import Code, Inline, Mark, cells, joined, one_line, with_code
from tfmatrix.reports import markdown, terminal
from tfmatrix.reports.cell_page import CellPage, links, run_option
from tfmatrix.reports.document import Block, Bullets, Commands, Facts, Heading, Item, Paragraph, Verbatim
from tfmatrix.store.runs import Run, strict_json
from tfmatrix.worker.remedies import price_of

EXPLAIN_SCHEMA = 1
"""Version of the JSON form."""

_T = TypeVar("_T")

_MAX_CELLS = 40
_MAX_NAMES = 40
WIDTH = 100


def explain(run: Run, target: str, *, fmt: DocumentFormat | str = DocumentFormat.TEXT, traceback: bool = False) -> str:
    """What `target` is about: a cell id, the id of a cause (`C-…`) or a warning (`W-…`), or a glob on cell ids.

    With `traceback` the whole of it, else its last lines. Ends with a newline. Raises UsageError for an id that is
    none, NothingSelectedError for a glob that matches no cell of the run.
    """
    if target[:2].upper() == "C-":
        cause = _named(target, {each.id: each for each in find_causes(run)}, "cause", run)
        return _written(fmt, _cause_blocks(cause, run), lambda: {"kind": "cause", "cause": cause.to_json()})
    if target[:2].upper() == "W-":
        entry = _named(target, {each.id: each for each in catalogue(run).entries}, "warning", run)
        return _written(fmt, _warning_blocks(entry), lambda: {"kind": "warning", "warning": entry.to_json()})
    records = _selected(run, target)
    causes = find_causes(run)
    if len(records) == 1:
        page = CellPage(run, records[0], causes_of(causes, records[0].cell), whole_traceback=traceback)
        return _written(fmt, page.blocks(), page.to_json)
    chosen = {record.cell for record in records}
    concerned = [cause for cause in causes if chosen & set(cause.cells)]
    return _written(
        fmt,
        _selection_blocks(run, target, records, concerned),
        lambda: {
            "kind": "cells",
            "cells": [{"cell": record.cell, "status": record.status.value} for record in records],
            "causes": [cause.to_json() for cause in concerned],
        },
    )


def _written(fmt: DocumentFormat | str, blocks: Sequence[Block], data: Callable[[], dict[str, Any]]) -> str:
    match DocumentFormat(fmt):
        case DocumentFormat.TEXT:
            return terminal.render(blocks, width=WIDTH)
        case DocumentFormat.MD:
            return markdown.render(blocks)
        case DocumentFormat.JSON:
            return strict_json({"schema": EXPLAIN_SCHEMA} | data(), indent=1) + "\n"
        case _ as unreachable:
            assert_never(unreachable)


def _named(target: str, known: Mapping[str, _T], what: str, run: Run) -> _T:
    """The cause or warning of that id, upper and lower case alike."""
    by_folded = {name.casefold(): item for name, item in known.items()}
    if target.casefold() in by_folded:
        return by_folded[target.casefold()]
    if not known:
        raise UsageError(f'the run {run.id} has no {what}s, so there is no "{target}"', fix="name a cell instead")
    hint = did_you_mean(target, known)
    listed = ", ".join(list(known)[:5])
    raise UsageError(
        f'the run {run.id} has no {what} "{target}"',
        expected=f"one of its {len(known)} {what}s: {listed}{', …' if len(known) > 5 else ''}",
        fix=hint or f"ids of {what}s belong to their run: name the run with --run if it is another one",
    )


def _selected(run: Run, target: str) -> tuple[CellRecord, ...]:
    """The cells of the run that an id or a glob names."""
    exact = tuple(record for record in run.records if record.cell == target)
    if exact:
        return exact
    try:
        globs = GlobSet([target], segments=CELL_SEGMENTS)
    except ValueError as error:
        raise UsageError(
            str(error), expected="a cell id (scenario/format/writer/reader), a glob on them, or the id of a cause"
        ) from error
    found = tuple(record for record in run.records if globs.matches(record.cell))
    if found:
        return found
    names = [
        sorted({getattr(record, part) for record in run.records}) for part in ("scenario", "format", "writer", "reader")
    ]
    raise NothingSelectedError(
        f'"{target}" matches no cell of the run {run.id}',
        expected="scenario/format/writer/reader, or a glob on it",
        fix=did_you_mean_glob(target, names) or "`tfmatrix report` shows the cells of the run",
    )


# Causes, warnings, selections


def _cause_blocks(cause: Cause, run: Run) -> list[Block]:
    example = shlex.quote(one_line(cause.example, 300))
    return [
        Heading(level=1, text=(f"{cause.id}: ", *with_code(cause.title, 300))),
        Paragraph(
            text=(
                Mark(cause.status.value, cause.status),
                f", {cells(len(cause.cells))}: ",
                *with_code(_known(cause), 4000),
                ".",
            )
        ),
        cause_facts(cause),
        *links(cause),
        *_example(cause),
        *_cell_list(cause.cells),
        Heading(level=2, text=("To go on",)),
        Commands(
            lines=(
                (f"tfmatrix explain {example}{run_option(run)}", "the evidence of one cell"),
                *(
                    ()
                    if run.header.get("files")
                    else ((f"tfmatrix reproduce {example}", "plain scripts that show it"),)
                ),
            )
        ),
    ]


Names = Callable[[str, str], Inline]
"""From "formats" or "scenarios" and a name to what is shown of it."""


def cause_facts(cause: Cause, name: Names = lambda _kind, text: (one_line(text, 120),)) -> Facts:
    """Where a cause is seen, in what, and what helps; `name` makes links of names where there are pages."""
    where = cause.where + ("" if cause.readers else " (at saving: every reader of these saves is concerned)")
    first = f"{cause.first_reader or cause.first_writer}" + ("" if cause.first_reader else " (writer)")
    rows: list[tuple[str, Inline]] = [("where", with_code(where, 1000)), ("first shown by", with_code(first, 120))]
    if cause.good_again:
        rows.append(("good again with", with_code(cause.good_again, 120)))
    for kind, names in (("formats", cause.formats), ("scenarios", cause.scenarios)):
        more = [(f"and {len(names) - _MAX_NAMES} more",)] if len(names) > _MAX_NAMES else []
        rows.append((kind, joined([*(name(kind, each) for each in names[:_MAX_NAMES]), *more], ", ")))
    if cause.also_failed:
        also = ", ".join(f"{check} ({count})" for check, count in sorted(cause.also_failed.items()))
        rows.append(("also failed", with_code(f"{also}, as a consequence", 1000)))
    if cause.promised:
        rows.append(("promised", (f"{cause.promised} of the cells, by a version policy",)))
    rows.append(("remedy", with_code(_remedy(cause), 1000)))
    return Facts(rows=tuple(rows))


def _example(cause: Cause) -> list[Block]:
    if not cause.text:
        return []
    return [Heading(level=2, text=("Said, in the example",)), Verbatim(text=cause.text, label="Said")]


def _cell_list(names: Sequence[str]) -> list[Block]:
    listed: list[Inline] = [(Code(one_line(cell, 300)),) for cell in names[:_MAX_CELLS]]
    if len(names) > _MAX_CELLS:
        listed.append((f"and {len(names) - _MAX_CELLS} more",))
    return [Heading(level=2, text=("Cells",)), Bullets.of(listed)]


def _known(cause: Cause) -> str:
    if not cause.known:
        return "not listed in known_failures.yaml"
    said = "known" if cause.is_known else f"{cause.known} known, {len(cause.cells) - cause.known} not listed"
    return one_line(f"{said} ({'; '.join(cause.reasons)})" if cause.reasons else said, 4000)


def _remedy(cause: Cause) -> str:
    best = cause.remedy
    if best is None:
        return f"none of those tried for {cells(cause.tried)} helps" if cause.tried else "none was tried"
    said = f"`{best.name}` helps {best.cells} of {cells(len(cause.cells))}"
    if best.complete < best.cells:
        said += f", completely {best.complete}"
    if best.detail:
        said += f": {best.detail}"
    price = price_of(best.name)
    return f"{said}; its price: {price}" if price else said


def _warning_blocks(entry: WarningEntry) -> list[Block]:
    does = "saving" if entry.side == "save" else "loading"
    rows = (
        ("given by", f"{does}, in phase {', '.join(entry.phases)}, by {entry.channel}"),
        ("how often", f"{entry.issued} of {entry.of} {entry.side}s, {entry.times} times in all"),
        ("TensorFlow", f"{entry.first_version} to {entry.last_version}: {', '.join(entry.environments)}"),
        ("formats", ", ".join(entry.formats)),
        ("scenarios", ", ".join(entry.scenarios)),
        ("then failed", f"{entry.prediction} cells with it failed or drifted"),
    )
    return [
        Heading(level=1, text=(f"{entry.id}: {entry.category}",)),
        Verbatim(text=entry.example, label="Warning"),
        Facts(rows=tuple((name, (one_line(text, 1000),)) for name, text in rows)),
        *_cell_list(entry.cells),
    ]


def _selection_blocks(run: Run, target: str, records: Sequence[CellRecord], causes: Sequence[Cause]) -> list[Block]:
    counts = Counter(record.status for record in records)
    counted = [(Mark(status.value, status), f" {counts[status]}") for status in WORST_FIRST if counts[status]]
    blocks: list[Block] = [
        Heading(level=1, text=(one_line(f"{len(records)} cells of run {run.id}: {target}", 300),)),
        Paragraph(text=(*joined(counted, ", "), ".")),
    ]
    if not causes:
        return [*blocks, Paragraph(text=("None of them failed.",))]
    chosen = {record.cell for record in records}
    items = []
    for cause in causes:
        here = sum(cell in chosen for cell in cause.cells)
        share = f"{here} of its {len(cause.cells)} cells" if here < len(cause.cells) else cells(here)
        known = " (known)" if cause.is_known else ""
        about = f", {share}, {', '.join(cause.formats)}, {one_line(cause.where, 1000)}{known}"
        items.append(
            Item(
                text=(f"{cause.id}: ", *with_code(cause.title, 1000)),
                under=(
                    (Mark(cause.status.value, cause.status), about),
                    ("example: ", Code(one_line(cause.example, 300))),
                ),
            )
        )
    return [
        *blocks,
        Heading(level=2, text=("Causes",)),
        Bullets(items=tuple(items)),
        Heading(level=2, text=("To go on",)),
        Commands(lines=((f"tfmatrix explain {causes[0].id}{run_option(run)}", "all about the first of them"),)),
    ]
