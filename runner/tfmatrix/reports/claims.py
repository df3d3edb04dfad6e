"""What was measured about a scenario's claim, in sentences: saving, loading, and what they warned of, per version."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfmatrix.analysis.records import delta
from tfmatrix.analysis.squares import NONE, Numbers, Squares, numbers_counted, present
from tfmatrix.analysis.warnings import HIDDEN
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import WORST_FIRST, Status
from tfmatrix.core.text import Code, Inline, cells, joined, number, one_line, to_plain
from tfmatrix.reports.cells import counted

MESSAGE_LIMIT = 160
_KINDS = 5
"""Kinds of outcome that get a sentence for one format; the rest is counted."""

_NOT_MEASURED: Inline = ("not measured",)
_SAVE_PHASES = ("build", "train", "save")
# What differs from cell to cell in one and the same message: paths and addresses.
_VARIABLE = re.compile(r"0x[0-9a-fA-F]+|(?<![\w.])/(?:[^\s'\"/]+/)+[^\s'\":,)]*")


@dataclass(frozen=True)
class _Loads:
    """Columns of some cells that were loaded: places among environments, the outcome as a number, and the kind."""

    writers: Numbers
    readers: Numbers
    outcomes: Numbers
    kinds: Numbers

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, which: NDArray[np.bool_]) -> _Loads:
        return _Loads(self.writers[which], self.readers[which], self.outcomes[which], self.kinds[which])


class Claims:
    """What was measured of some cells of a run. What a result says is put into words once for all of its cells."""

    def __init__(self, squares: Squares) -> None:
        self._squares = squares
        self._names = [one_line(name, 60) for name in squares.environments]
        savings, saving = squares.distinct(_save_outcome, "status", "error", "save")
        # Numbers in the order of what they say.
        order = sorted(range(len(savings)), key=lambda place: to_plain(savings[place]))
        self._savings = [savings[place] for place in order]
        self._saving = np.argsort(order)[saving]
        self._loadings, self._loading = squares.distinct(_load_outcome, "status", "error", "failed_checks")
        self._warnings, self._warning = squares.distinct(_load_warnings, "load")
        self._checks, self._failed = squares.distinct(lambda record: record.failed_checks, "failed_checks")

    def paragraph(self, *blocks: Numbers) -> Inline:
        """Counts of a scenario's cells, and which checks failed how often. Blocks are kinds, NONE where is no cell."""
        kinds = np.concatenate([block.ravel() for block in blocks])
        found = self._squares.counts(kinds)
        counts: Inline = (f"{cells(sum(found.values()))}: ", *counted(found), ".")
        failed: Counter[str] = Counter()
        for checks, count in numbers_counted(self._failed[kinds[kinds != NONE]]):
            # That a load raised is a status already.
            failed.update({check: count for check in self._checks[checks] if check != "load"})
        if not failed:
            return counts
        ranked = ", ".join(f"{one_line(check, 30)} {count}" for check, count in _by_count(failed))
        return (*counts, f" Failed checks: {ranked}.")

    def sentences(self, scenario: str, fmt: str) -> tuple[Inline, ...]:
        """Those for the cells of one scenario and format."""
        squares = self._squares
        places = squares.members[scenario, fmt]
        kinds, writers = squares.kind[places], squares.writer[places]
        every = _Loads(writers, squares.reader[places], self._loading[kinds], kinds)
        loads = every[np.array([outcome is not None for outcome in self._loadings])[every.outcomes]]
        return (*self._saved(fmt, writers, self._saving[kinds]), *self._loaded(loads), *self._warned(loads))

    def _saved(self, fmt: str, writers: Numbers, savings: Numbers) -> list[Inline]:
        """What saving came to, writers that share it taken together."""
        # Each writer by its first cell, with each of its outcomes once.
        _, first, writer = np.unique(writers, return_index=True, return_inverse=True)
        by_writer: dict[int, list[Inline]] = {}
        for both in np.unique(first[writer] * len(self._savings) + savings).tolist():
            place, saving = divmod(both, len(self._savings))
            by_writer.setdefault(int(writers[place]), []).append(self._savings[saving])
        found: dict[Inline, set[int]] = {}
        for place, outcomes in by_writer.items():
            # A cell that could not be measured says nothing where another cell of that writer says what happened.
            for outcome in [each for each in outcomes if each != _NOT_MEASURED] or [_NOT_MEASURED]:
                found.setdefault(outcome, set()).add(place)
        kinds = sorted(found.items(), key=lambda item: min(item[1]))
        name = one_line(fmt, 60)
        lines: list[Inline] = [
            (f"saving to {name} in {self._list(saved_by)}: ", *outcome) for outcome, saved_by in kinds[:_KINDS]
        ]
        if kinds[_KINDS:]:
            rest = set().union(*(saved_by for _, saved_by in kinds[_KINDS:]))
            lines.append((f"saving to {name} in {self._list(rest)}: {len(kinds) - _KINDS} other outcomes",))
        return lines

    def _loaded(self, loads: _Loads) -> list[Inline]:
        """What loading came to, the worst first, then what most cells came to."""
        outcomes, first, counts = np.unique(loads.outcomes, return_index=True, return_counts=True)
        examples = [self._squares.examples[kind] for kind in loads.kinds[first].tolist()]
        ranked = sorted(
            zip(outcomes.tolist(), counts.tolist(), first.tolist(), examples, strict=True),
            key=lambda each: (WORST_FIRST.index(each[3].status), -each[1], each[2]),
        )
        lines: list[Inline] = []
        for outcome, _, _, example in ranked[:_KINDS]:
            group = loads[loads.outcomes == outcome]
            said = self._loadings[outcome]
            assert said is not None
            found = _drift(self._examples(group)) if example.status is Status.DRIFT else said
            lines.append((f"loading {self._where(group, loads)}: ", *found))
        if ranked[_KINDS:]:
            rest = sum(count for _, count, _, _ in ranked[_KINDS:])
            lines.append((f"loading in {rest} other pairs: {len(ranked) - _KINDS} other outcomes",))
        return lines

    def _examples(self, loads: _Loads) -> list[CellRecord]:
        """One of each kind, in the order in which they come."""
        return [record for record, _ in self._squares.counted(loads.kinds)]

    def _where(self, group: _Loads, every: _Loads) -> str:
        """The pairs of a group, `in READERS from WRITERS`, readers that share their writers taken together."""
        if len(group) == 1:
            return f"in {self._names[group.readers[0]]} from {self._names[group.writers[0]]}"
        if len(group) == len(every):
            return "in every pair"
        own = group.writers == group.readers
        if (own == own[0]).all() and len(group) == np.count_nonzero((every.writers == every.readers) == own[0]):
            return "in the environment that saved it" if own[0] else "in every other environment"
        seen = np.zeros((len(self._names), len(self._names)), bool)
        seen[group.readers, group.writers] = True
        readers: dict[bytes, list[int]] = {}
        for reader in np.flatnonzero(seen.any(axis=1)).tolist():
            readers.setdefault(seen[reader].tobytes(), []).append(reader)
        if len(readers) > _KINDS:
            return f"in {len(group)} of {len(every)} pairs"
        any_writer = present(every.writers)
        parts = []
        for same in readers.values():
            writers = np.flatnonzero(seen[same[0]]).tolist()
            parts.append(f"in {self._list(same)} from {'any writer' if writers == any_writer else self._list(writers)}")
        return "; ".join(parts)

    def _warned(self, loads: _Loads) -> list[Inline]:
        """What loading warned of: what people see first, and the most frequent first."""
        counts: Counter[str] = Counter()
        for texts, count in numbers_counted(self._warning[loads.kinds]):
            counts.update(dict.fromkeys(self._warnings[texts], count))
        ranked = sorted(_by_count(counts), key=lambda item: _is_hidden(item[0]))
        lines: list[Inline] = [
            (f"loading warned in {count} of {len(loads)} pairs: ", Code(text)) for text, count in ranked[:_KINDS]
        ]
        if ranked[_KINDS:]:
            lines.append((f"loading gave {len(ranked) - _KINDS} other warnings",))
        return lines

    def _list(self, environments: Iterable[int]) -> str:
        return ", ".join(self._names[place] for place in sorted(environments))


def short_error(error: Mapping[str, Any] | None, limit: int = MESSAGE_LIMIT) -> str:
    """Type and message of a recorded error in one line, without what differs by cell: paths and addresses."""
    if not error:
        return ""
    kind, message = str(error.get("type") or ""), _constant(error.get("message"))
    return one_line(f"{kind}: {message}" if kind and message else kind or message, limit)


def evidence(record: CellRecord) -> Inline:
    """Why a cell has its status, in few words: each failed check with what it found, and the error."""
    parts: list[Inline] = []
    for check in record.failed_checks:
        if check == "load" and record.error:
            continue
        difference = delta(record) if check == "outputs" else None
        said = _said(record, check)
        parts.append(
            (
                one_line(check, 30) + (f" {number(difference)}" if difference is not None else ""),
                *((" ", Code(said)) if said else ()),
            )
        )
    if record.error:
        parts.append((Code(short_error(record.error)),))
    return joined(parts, ", ")


def _save_outcome(record: CellRecord) -> Inline:
    match record.status:
        case Status.UNSUPPORTED:
            return ("unsupported",)
        case Status.SAVE_ERROR | Status.CRASH | Status.TIMEOUT if not _reached_load(record):
            return (f"{record.status.value} ", Code(short_error(record.error)))
        case _ if record.save.get("status") != "ok":
            return _NOT_MEASURED
        case _:
            warnings = sorted({_warning(warning) for warning in _warnings(record.save, "save")}, key=_seen_first)
            if not warnings:
                return ("no warning",)
            more = (f" and {len(warnings) - 2} more",) if len(warnings) > 2 else ()
            return (*joined([(Code(warning),) for warning in warnings[:2]], " and "), *more)


def _reached_load(record: CellRecord) -> bool:
    match record.status:
        case Status.PASS | Status.DRIFT | Status.LOAD_ERROR:
            return True
        case Status.CRASH | Status.TIMEOUT:
            return record.error is None or record.error.get("phase") not in _SAVE_PHASES
        case _:
            return False


def _load_outcome(record: CellRecord) -> Inline | None:
    """What tells outcomes apart: the status with the error, or with the checks that failed. None without a load."""
    match record.status:
        case _ if not _reached_load(record):
            return None
        case Status.PASS:
            return ("pass",)
        case Status.DRIFT:
            return ("drift", *record.failed_checks)
        case _:
            error = short_error(record.error)
            return (f"{record.status.value} ", Code(error)) if error else (record.status.value,)


def _drift(told: Sequence[CellRecord]) -> Inline:
    """Drift of the same checks: the largest difference of the outputs, and what the other checks said.

    Each record stands for those that came to the same.
    """
    parts: list[Inline] = []
    for check in told[0].failed_checks:
        name = one_line(check, 30)
        differences = [value for record in told if check == "outputs" and (value := delta(record)) is not None]
        said = {_said(record, check) for record in told}
        if differences:
            # NaN is further off than any number, and max() would lose it.
            largest = max(differences, key=lambda value: math.inf if math.isnan(value) else value)
            parts.append((f"{name} by up to {number(largest)}",))
        elif first := _said(told[0], check):
            parts.append((f"{name} ({'such as ' if len(said) > 1 else ''}", Code(first), ")"))
        else:
            parts.append((name,))
    return ("drift of ", *joined(parts, ", ")) if parts else ("drift",)


def _said(record: CellRecord, check: str) -> str:
    """The first of a check's sentences: the worst loss."""
    sentences = record.checks.get(check, {}).get("detail") or [""]
    return one_line(sentences[0], MESSAGE_LIMIT)


def _load_warnings(record: CellRecord) -> frozenset[str]:
    return frozenset(_warning(warning) for warning in _warnings(record.load, "load"))


def _warnings(outcome: Mapping[str, Any], phase: str) -> Iterable[Mapping[str, Any]]:
    """Warnings of a phase; log lines below the level of a warning are none."""
    for warning in outcome.get("warnings", ()):
        if warning.get("phase", phase) == phase and warning.get("category") not in ("INFO", "DEBUG"):
            yield warning


def _warning(warning: Mapping[str, Any]) -> str:
    category = warning.get("category") or warning.get("channel") or "warning"
    return one_line(f"{category}: {_constant(warning.get('message'))}", MESSAGE_LIMIT)


def _is_hidden(warning: str) -> bool:
    """Whether Python itself does not show the warning unless it is asked to."""
    return warning.startswith(HIDDEN)


def _seen_first(warning: str) -> tuple[bool, str]:
    return _is_hidden(warning), warning


def _constant(message: object) -> str:
    # Cut first: the pattern must not walk through a megabyte, of which one line is shown.
    return _VARIABLE.sub("…", str(message or "")[: 8 * MESSAGE_LIMIT])


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
