"""A whole comparison: changes of cells in groups, warnings that came and went, and what else was different."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from tfmatrix.analysis.diff.changes import KINDS, Change, Changes, Outcomes, Past, compare
from tfmatrix.analysis.diff.source import Source
from tfmatrix.analysis.diff.surroundings import Difference, differences
from tfmatrix.analysis.warnings import WarningEntry
from tfmatrix.core.errors import ExitCode, NothingSelectedError
from tfmatrix.core.globs import match_scenario
from tfmatrix.core.selection import Selector
from tfmatrix.core.status import Status


@dataclass(frozen=True, kw_only=True)
class Group:
    """Cells that changed alike: from one status to another, for one cause (`title`; empty where none is told).

    `meanwhile` says what else was different for all of them. `judged_anew`: each is the very same measurement.
    """

    kind: str
    before: str
    after: str
    title: str
    changes: tuple[Change, ...]
    meanwhile: tuple[str, ...]
    judged_anew: bool

    @property
    def unknown(self) -> int:
        """Cells that known_failures.yaml does not list."""
        return sum(change.after is not None and not change.after.known for change in self.changes)


@dataclass(frozen=True, kw_only=True)
class WarningChange:
    """A warning that one run has and the other has not, among the cells of both. `cells` are where it was said."""

    is_new: bool
    entry: WarningEntry
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Diff:
    """Two runs compared. `notes` say what could not be compared."""

    before: Source
    after: Source
    changes: Changes
    groups: tuple[Group, ...]
    warnings: tuple[WarningChange, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> ExitCode:
        """INCOMPATIBLE where something got worse that is not listed; INFRASTRUCTURE where it cannot be told any more.

        New cells are no change, whatever their status: the run that measured them has an exit code of its own.
        """
        if self.changes.alarming:
            return ExitCode.INCOMPATIBLE
        lost = [change for change in self.changes.measured_no_more if change.after and change.after.status is _LOST]
        cut_short = self.changes.removed and not self.after.past.complete
        return ExitCode.INFRASTRUCTURE if lost or cut_short else ExitCode.OK


_LOST = Status.INFRA_ERROR


def diff(before: Source, after: Source, selector: Selector | None = None) -> Diff:
    """Compares what a selector takes of two runs. Raises NothingSelectedError where they have no cell in common."""
    taken_before, taken_after = _narrowed(before, selector), _narrowed(after, selector)
    if not Outcomes.of(taken_before.outcomes).shared_with(Outcomes.of(taken_after.outcomes)):
        raise NothingSelectedError(
            f"{before.past.id} and {after.past.id} have no cell in common"
            + (f" that {selector} selects" if selector else ""),
            expected="two runs of one matrix",
            fix="name other runs" + (", or select more" if selector else ""),
        )
    changes = compare(taken_before, taken_after)
    different = differences(before.header, after.header)
    return Diff(
        before=replace(before, past=taken_before),
        after=replace(after, past=taken_after),
        changes=changes,
        groups=_groups(changes, {**before.titles, **after.titles}, different),
        warnings=tuple(_warnings(before, after, taken_before, taken_after)),
        differences=different,
        notes=tuple(_notes(before, after)),
    )


def _narrowed(source: Source, selector: Selector | None) -> Past:
    if not selector:
        return source.past
    tags = {
        name: tuple((about or {}).get("tags") or ()) for name, about in (source.header.get("scenarios") or {}).items()
    }

    def takes(cell: str) -> bool:
        scenario, fmt, writer, reader = cell.split("/")
        return (
            selector.takes_cell(cell)
            and selector.takes_writer(writer)
            and selector.takes_reader(reader)
            and selector.takes_format(fmt)
            and (
                not selector.scenario
                or any(match_scenario(glob, scenario, tags.get(scenario, ())) for glob in selector.scenario)
            )
        )

    outcomes = {cell: outcome for cell, outcome in source.past.outcomes.items() if takes(cell)}
    counts = Counter(outcome.status.value for outcome in outcomes.values())
    return replace(source.past, outcomes=outcomes, counts=counts)


def _groups(changes: Changes, titles: Mapping[str, str], different: Iterable[Difference]) -> tuple[Group, ...]:
    found: dict[tuple[str, str, str, str], list[Change]] = {}
    for kind, cells in changes.by_kind().items():
        for change in cells:
            before = change.before.status.value if change.before else ""
            after = change.after.status.value if change.after else ""
            title = _title(change, titles) if kind in ("worse", "other", "grown", "better") else ""
            found.setdefault((kind, before, after, title), []).append(change)
    different = tuple(different)
    groups = [
        Group(
            kind=kind,
            before=before,
            after=after,
            title=title,
            changes=tuple(cells),
            meanwhile=_meanwhile(cells, different),
            judged_anew=all(
                each.before and each.after and each.before.key and each.before.key == each.after.key for each in cells
            ),
        )
        for (kind, before, after, title), cells in found.items()
    ]
    order = list(KINDS)
    return tuple(
        sorted(groups, key=lambda each: (order.index(each.kind), not each.unknown, -len(each.changes), each.title))
    )


def _title(change: Change, titles: Mapping[str, str]) -> str:
    """What the cell fails for: now, or (where it no longer fails) before; where the cause changed, both."""
    now = _said(change.after.causes if change.after else "", titles)
    then = _said(change.before.causes if change.before else "", titles)
    if change.before and change.after and change.before.status is change.after.status and now != then:
        return f"{now} (was: {then})" if now and then else now or then
    return now or then


def _said(causes: str | None, titles: Mapping[str, str]) -> str:
    return "; ".join(titles.get(each, each) for each in (causes or "").split())


def _meanwhile(cells: Iterable[Change], different: Iterable[Difference]) -> tuple[str, ...]:
    """The differences that may have changed every one of the cells; what concerns all cells only where nothing else."""
    ids = [change.cell.split("/") for change in cells]
    concerning = [
        difference
        for difference in different
        if all(difference.concerns(scenario, writer, reader) for scenario, _, writer, reader in ids)
    ]
    return tuple(
        f"{' '.join(each.names[:3])}{' …' if len(each.names) > 3 else ''}: {each.text}" if each.names else each.text
        for each in [each for each in concerning if each.names] or concerning
    )


def _warnings(before: Source, after: Source, old: Past, new: Past) -> Iterable[WarningChange]:
    """New and gone warnings, among cells that were measured in both: a cell that is new brings its own."""
    if before.warnings is None or after.warnings is None:
        return

    @cache
    def is_measured(cell: str) -> bool:
        """In both runs."""
        states = (old.outcomes.get(cell), new.outcomes.get(cell))
        return all(state is not None and not state.status.is_unknown for state in states)

    sides = {
        is_new: {name: entry for name, entry in entries.items() if any(map(is_measured, entry.cells))}
        for is_new, entries in ((True, after.warnings), (False, before.warnings))
    }
    for is_new, entries in sides.items():
        alone = {name: entry for name, entry in entries.items() if name not in sides[not is_new]}
        cells = {name: tuple(filter(is_measured, entry.cells)) for name, entry in alone.items()}
        for name in sorted(alone, key=lambda name: (-len(cells[name]), name)):
            yield WarningChange(is_new=is_new, entry=alone[name], cells=cells[name])


def _notes(before: Source, after: Source) -> Iterable[str]:
    published = [source.past.id for source in (before, after) if source.published]
    if published:
        yield (
            f"{' and '.join(published)}: a published file has statuses only; no causes, figures, warnings are compared."
        )
    for source in (before, after):
        if not source.past.complete:
            yield f"{source.past.id} did not come to its end: cells that it lacks may only not have been reached."


def to_json(found: Diff) -> dict[str, Any]:
    """The comparison as JSON types."""
    return {
        "schema": 1,
        "before": _run_json(found.before),
        "after": _run_json(found.after),
        "exit_code": int(found.exit_code),
        "counts": {
            **{kind: len(cells) for kind, cells in found.changes.by_kind().items()},
            "unchanged": found.changes.unchanged,
            "worse_and_not_known": len(found.changes.alarming),
        },
        "changes": {
            kind: [
                {"cell": each.cell, "before": _outcome_json(each.before), "after": _outcome_json(each.after)}
                for each in cells
            ]
            for kind, cells in found.changes.by_kind().items()
        },
        "groups": [
            {
                "kind": group.kind,
                "before": group.before,
                "after": group.after,
                "title": group.title,
                "cells": len(group.changes),
                "not_known": group.unknown,
                "meanwhile": list(group.meanwhile),
                "judged_anew": group.judged_anew,
                "example": group.changes[0].cell,
            }
            for group in found.groups
        ],
        "warnings": [
            {
                "change": "new" if each.is_new else "gone",
                "id": each.entry.id,
                "side": each.entry.side,
                "category": each.entry.category,
                "text": each.entry.text,
                "cells": list(each.cells),
            }
            for each in found.warnings
        ],
        "also_different": [
            {"kind": each.kind, "names": list(each.names), "text": each.text} for each in found.differences
        ],
        "notes": list(found.notes),
    }


def _run_json(source: Source) -> dict[str, Any]:
    past = source.past
    return {
        "run": past.id,
        "started": past.started,
        "finished": past.finished,
        "set": past.set_name,
        "complete": past.complete,
        "counts": dict(past.counts),
        "published": source.published,
    }


def _outcome_json(outcome: Any) -> dict[str, Any] | None:
    return outcome and {
        "status": outcome.status.value,
        "causes": None if outcome.causes is None else outcome.causes.split(),
        "difference": outcome.difference,
        "known": outcome.known,
    }
