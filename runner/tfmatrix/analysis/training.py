"""What cells say about code that is trained anew: which of them do, and what they found, over all scenarios."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfmatrix.analysis.losses import losses
from tfmatrix.checks.defaults import COMPILE
from tfmatrix.checks.presentation import FUNCTION_LAYERS, MASK_OPERATIONS, without_indices
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.worker.formats.code import ID as CODE
from tfmatrix.worker.retraining import is_trained

__all__ = ["CODE", "ChangedDefault", "Trained", "changed_defaults", "is_of_training", "trained"]


_OPERATIONS = {*FUNCTION_LAYERS, *MASK_OPERATIONS}


def is_of_training(record: CellRecord) -> bool:
    """Whether a cell is of the format `code`, or of one of a project's own that is measured so."""
    return record.format == CODE or is_trained(record.checks)


@dataclass(frozen=True, kw_only=True)
class ChangedDefault:
    """An argument that the same code gets another value of; None where a side does not name it.

    `is_aside`: only one side names it, so that what it comes to is seen in what is computed, if anywhere.
    """

    owner: str
    argument: str
    before: str | None
    after: str | None
    cells: tuple[str, ...]
    is_aside: bool


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One pair of environments: the cells that train as before, those that do not, and those that say nothing."""

    writer: str
    reader: str
    same: tuple[CellRecord, ...]
    differing: tuple[CellRecord, ...]
    unknown: tuple[CellRecord, ...]

    @property
    def records(self) -> tuple[CellRecord, ...]:
        """All of them."""
        return (*self.differing, *self.unknown, *self.same)

    @property
    def losses(self) -> Mapping[str, tuple[str, ...]]:
        """What differs, in words that are the same in every scenario, with the scenarios; most first."""
        found: dict[str, dict[str, None]] = {}
        for record in self.differing:
            for loss in losses(record):
                found.setdefault(loss, {})[record.scenario] = None
        return {loss: tuple(found[loss]) for loss in sorted(found, key=lambda loss: (-len(found[loss]), loss))}


def trained(records: Iterable[CellRecord]) -> Mapping[tuple[str, str], Trained]:
    """(writer, reader) → what training the code there came to; only where it was measured."""
    groups: dict[tuple[str, str], list[CellRecord]] = {}
    for record in records:
        if is_of_training(record):
            groups.setdefault((record.writer, record.reader), []).append(record)
    return {
        (writer, reader): Trained(
            writer=writer,
            reader=reader,
            same=tuple(each for each in cells if each.status is Status.PASS),
            differing=tuple(each for each in cells if each.status.is_incompatibility),
            unknown=tuple(
                each for each in cells if each.status is not Status.PASS and not each.status.is_incompatibility
            ),
        )
        for (writer, reader), cells in groups.items()
    }


def changed_defaults(records: Iterable[CellRecord]) -> Sequence[ChangedDefault]:
    """The arguments that changed, over all scenarios, by the class that has them; then what only one side names."""
    found: dict[tuple[bool, str, str, str | None, str | None], list[str]] = {}
    for record in records:
        for finding in _findings(record, "defaults"):
            figures = finding.get("figures") or {}
            code = str(finding["code"])
            # Seeds, an axis counted from the other end, code without a name; operations that one version lists.
            if code == "aside-changed" or _OPERATIONS & {str(figures.get(side)) for side in ("before", "after")}:
                continue
            path = without_indices(str(finding["subject"]))
            owner = "compile" if path.startswith(COMPILE) else str(figures.get("class") or "a layer of one's own")
            values = _value(figures, "before"), _value(figures, "after")
            key = (code.startswith("aside-"), owner, path.partition(".")[2] or path, *values)
            found.setdefault(key, []).append(record.cell)
    return [
        ChangedDefault(
            owner=owner, argument=argument, before=before, after=after, cells=tuple(cells), is_aside=is_aside
        )
        for (is_aside, owner, argument, before, after), cells in sorted(found.items(), key=lambda each: str(each[0]))
    ]


def _findings(record: CellRecord, check: str) -> Iterator[Mapping[str, Any]]:
    yield from (record.checks.get(check) or {}).get("findings") or ()


def _value(figures: Mapping[str, Any], side: str) -> str | None:
    return json.dumps(figures[side], ensure_ascii=False) if side in figures else None
