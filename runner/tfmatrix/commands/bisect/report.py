"""The answer of a bisection: the table of what was tried, each change, and the package that brought it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tfmatrix.analysis.diff.surroundings import LEADING, in_words
from tfmatrix.commands.bisect.axis import Axis
from tfmatrix.commands.bisect.culprit import Culprit, Trial
from tfmatrix.commands.bisect.measure import Target
from tfmatrix.commands.bisect.search import Bisection, Break, Point, Reading
from tfmatrix.core.choices import Level
from tfmatrix.core.status import Status
from tfmatrix.core.text import Inline, Mark, joined, one_line, with_code
from tfmatrix.reports import terminal
from tfmatrix.reports.document import Block, Facts, Heading, Paragraph, Table

WIDTH = 80
_CELLS = 38
"""Columns of what the cells of a version came to; the others need the rest."""


@dataclass(frozen=True, kw_only=True)
class BisectAnswer:
    """The whole answer. `culprits` are by the versions of a change: (before, after)."""

    axis: Axis
    target: Target
    good: str
    bad: str
    found: Bisection
    culprits: Mapping[tuple[str, str], Culprit]
    runs: tuple[str, ...]
    seconds: float


def to_text(answer: BisectAnswer, *, colour: bool = False, width: int = WIDTH) -> str:
    """For a terminal, at most 80 columns wide."""
    return terminal.render(blocks(answer), width=min(width, WIDTH), colour=colour)


def blocks(answer: BisectAnswer) -> Iterator[Block]:
    """What was searched, what was tried, each change with the package that brought it."""
    for line in _preamble(answer):
        yield Paragraph(text=(line,))
    rows = tuple(
        (
            (str(number),),
            (point.version,),
            (answer.axis.day(point.version),),
            _what(point),
            (_end(answer, point),),
        )
        for number, point in enumerate(answer.found.points, start=1)
    )
    yield Table(head=("try", answer.axis.name.value, "released", "cells", ""), rows=rows, widths={"cells": _CELLS})
    for change, names in _grouped(answer.found).items():
        yield Heading(level=3, text=(_headline(answer, change, names),))
        details = tuple(_details(answer, change))
        if details:
            yield Facts(rows=details)
    for line in _remarks(answer):
        yield Paragraph(text=(line,))
    yield Paragraph(text=(_steps(answer),))


def _preamble(answer: BisectAnswer) -> Iterator[str]:
    axis, target = answer.axis, answer.target
    fixed = {"reader": f"files of {target.fixed}", "writer": f"read by {target.fixed}", "both": "files of each version"}
    on = f" on TensorFlow {axis.tensorflow}" if axis.tensorflow else ""
    yield (
        f"{target.scenario}/{target.format}, {fixed[target.side.value]}: {axis.name} {answer.good} (good) "
        f"to {answer.bad} (bad){on}, {len(axis.versions)} versions" + (f", Python {axis.python}" if axis.python else "")
    )
    yield from axis.notes
    if axis.left_out:
        shown = "; ".join(axis.left_out[:3])
        yield f"left out: {shown}" + (f"; and {len(axis.left_out) - 3} more" if len(axis.left_out) > 3 else "")


def _what(point: Point) -> Inline:
    if point.skipped:
        return (f"passed over: {one_line(point.skipped, 160)}",)
    if len(point.cells) == 1:
        return _reading(next(iter(point.cells.values())))
    counts = Counter(Status(reading.status) for reading in point.cells.values())
    marks = [(Mark(f"{status.symbol} {status.value}", status), f" {counts[status]}") for status in sorted(counts)]
    return joined(marks, ", ")


def _reading(reading: Reading) -> Inline:
    status = Status(reading.status)
    causes = joined((with_code(cause, 110) for cause in reading.causes), "; ")
    figure = f" {reading.figure}" if reading.figure else ""
    return (Mark(f"{status.symbol} {status.value}", status), figure, *((": ", *causes) if causes else ()))


def _end(answer: BisectAnswer, point: Point) -> str:
    named = {answer.good: "good", answer.bad: "bad"}.get(point.version, "")
    cached = point.cells and all(reading.cached for reading in point.cells.values())
    return " ".join(filter(None, [named, "(store)" if cached else ""]))


_Key = tuple[str, str, Reading, Reading]


def _grouped(found: Bisection) -> dict[Break, tuple[str, ...]]:
    """Changes that are alike, with their cells: the same versions, statuses and causes."""
    groups: dict[object, tuple[Break, list[str]]] = {}
    for change in found.breaks:
        key = (change.before, change.after, change.old.signature(change.level), change.new.signature(change.level))
        groups.setdefault(key, (change, []))[1].append(change.cell)
    return {change: tuple(cells) for change, cells in groups.values()}


def _headline(answer: BisectAnswer, change: Break, cells: tuple[str, ...]) -> str:
    name = {"tensorflow": "TensorFlow", "keras": "Keras"}.get(answer.axis.name.value, answer.axis.name.value)
    which = (
        cells[0] if len(cells) == 1 else f"{len(cells)} cells ({', '.join(cells[:3])}{', …' if len(cells) > 3 else ''})"
    )
    day = answer.axis.day(change.after)
    if not change.is_exact:
        versions = f"one of {name} {', '.join([*change.unmeasured, change.after])}"
    elif day:
        versions = f"{name} {change.after} ({day})"
    else:
        versions = f"{name} {change.after}"
    return f"{which}: changed in {versions}, after {change.before}: {_turn(change)}"


def _turn(change: Break) -> str:
    """`pass → load-error`; where the status stays, what else turns."""
    if change.old.status != change.new.status:
        return f"{change.old.status} → {change.new.status}"
    what = {Level.CAUSE: "for another cause", Level.FIGURE: "by another figure", Level.WARNINGS: "with other warnings"}
    return f"{change.new.status} {what[change.level]}"


def _details(answer: BisectAnswer, change: Break) -> Iterator[tuple[str, Inline]]:
    if change.old.causes or change.new.causes or change.old.figure or change.new.figure:
        yield "before", _reading(change.old)
        yield "now", _reading(change.new)
    gained, lost = change.new.warnings - change.old.warnings, change.old.warnings - change.new.warnings
    if change.level is Level.WARNINGS:
        yield from (("new warning", (one_line(text, 200),)) for text in sorted(gained))
        yield from (("gone warning", (one_line(text, 200),)) for text in sorted(lost))
    where = change.new.raised_in or change.old.raised_in
    if where:
        yield "raised in", (where,)
    found = answer.culprits.get((change.before, change.after))
    if found is not None:
        leading = sum(name in LEADING for name in found.moved)
        yield "moved", (in_words(found.moved, max(leading, 3)),)
        for trial in found.trials:
            yield "tried", _trial(trial)
        yield "package", (found.sentence,)


def _trial(trial: Trial) -> Inline:
    if trial.reading is None:
        return (f"{trial.name}: cannot be had: {one_line(trial.skipped, 200)}",)
    return (f"{trial.name}: ", *_reading(trial.reading), f" ({'changed' if trial.changed else 'as before'})")


def _remarks(answer: BisectAnswer) -> Iterator[str]:
    found = answer.found
    if found.unchanged:
        yield f"reads the same at both ends: {_listed(found.unchanged)}"
    if found.unmeasured:
        yield f"not measured at one of the ends: {_listed(found.unmeasured)}"
    yield from (f"! {sentence}" for sentence in found.contradictions)
    if any(not change.is_exact for change in found.breaks):
        yield "only versions that cannot be measured are left between the two: the change is in one of those named"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _steps(answer: BisectAnswer) -> str:
    found = answer.found
    skipped = f", {len(found.skipped)} passed over" if found.skipped else ""
    trials = sum(trial.reading is not None for each in answer.culprits.values() for trial in each.trials)
    more = f"; {trials} more to tell packages apart" if trials else ""
    return (
        f"{found.measured} of {len(found.versions)} versions measured (one change takes at most {found.bound}: "
        f"2 ends + log2){skipped}{more}; {answer.seconds:.0f} s"
    )


def to_json(answer: BisectAnswer) -> dict[str, Any]:
    """The answer as JSON types."""
    axis, found = answer.axis, answer.found
    return {
        "schema": 1,
        "axis": axis.name.value,
        "good": answer.good,
        "bad": answer.bad,
        "tensorflow": axis.tensorflow,
        "python": axis.python,
        "scenario": answer.target.scenario,
        "format": answer.target.format,
        "side": answer.target.side.value,
        "fixed": answer.target.fixed,
        "versions": list(axis.versions),
        "left_out": list(axis.left_out),
        "notes": list(axis.notes),
        "tried": [
            {
                "version": point.version,
                "released": axis.day(point.version),
                "skipped": point.skipped or None,
                "seconds": round(point.seconds, 1),
                "cells": {cell: _reading_json(reading) for cell, reading in point.cells.items()},
            }
            for point in found.points
        ],
        "measured": found.measured,
        "bound": found.bound,
        "changes": [
            {
                "cell": change.cell,
                "level": change.level.value,
                "before": change.before,
                "after": change.after,
                "released": axis.day(change.after),
                "exact": change.is_exact,
                "cannot_be_measured": list(change.unmeasured),
                "old": _reading_json(change.old),
                "new": _reading_json(change.new),
            }
            for change in found.breaks
        ],
        "packages": [
            {
                "before": before,
                "after": after,
                "moved": {name: list(versions) for name, versions in culprit.moved.items()},
                "package": culprit.package or None,
                "sentence": culprit.sentence,
                "trials": [
                    {
                        "suspect": trial.suspect,
                        "put_back": trial.put_back,
                        "name": trial.name,
                        "changed": trial.changed,
                        "skipped": trial.skipped or None,
                        "reading": trial.reading and _reading_json(trial.reading),
                    }
                    for trial in culprit.trials
                ],
            }
            for (before, after), culprit in answer.culprits.items()
        ],
        "unchanged": list(found.unchanged),
        "unmeasured": list(found.unmeasured),
        "contradictions": list(found.contradictions),
        "runs": list(answer.runs),
        "seconds": round(answer.seconds, 1),
    }


def _reading_json(reading: Reading) -> dict[str, Any]:
    return {
        "status": reading.status,
        "causes": list(reading.causes),
        "figure": reading.figure or None,
        "raised_in": reading.raised_in or None,
        "cached": reading.cached,
    }
