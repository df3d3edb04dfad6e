"""What was measured about a scenario's claim, in sentences: saving, loading, and what they warned of, per version."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from tfmatrix.analysis.looks import counts_of
from tfmatrix.analysis.records import by_result, delta
from tfmatrix.analysis.warnings import HIDDEN
from tfmatrix.core.records import CellRecord, Result
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


def paragraph(counted_cells: Iterable[tuple[CellRecord, int]]) -> Inline:
    """Counts of a scenario's cells, and which checks failed how often. Each record stands for so many cells."""
    every = list(counted_cells)
    found = counts_of(every)
    counts: Inline = (f"{cells(sum(found.values()))}: ", *counted(found), ".")
    failed: Counter[str] = Counter()
    for record, count in every:
        # That a load raised is a status already.
        failed.update({check: count for check in record.failed_checks if check != "load"})
    if not failed:
        return counts
    ranked = ", ".join(f"{one_line(check, 30)} {count}" for check, count in _by_count(failed))
    return (*counts, f" Failed checks: {ranked}.")


def sentences(records: Sequence[CellRecord], order: Sequence[str]) -> tuple[Inline, ...]:
    """The sentences for the cells of one scenario and format; `order` are the environments in matrix order."""
    told = by_result(records)
    loaded = {result: record for result, record in told.items() if _reached_load(record)}
    loads = [record for record in records if record.result in loaded]
    return (*_saving(records, told, order), *_loading(loads, loaded, order), *_warned(loads, loaded))


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


def _saving(records: Sequence[CellRecord], told: Mapping[Result, CellRecord], order: Sequence[str]) -> list[Inline]:
    found = {result: _save_outcome(record) for result, record in told.items()}
    results: dict[str, set[Result]] = {}
    for writer, own in groupby(records, attrgetter("writer")):
        results.setdefault(writer, set()).update(map(attrgetter("result"), own))
    by_writer = {writer: {found[result] for result in own} for writer, own in results.items()}
    writers: dict[Inline, set[str]] = {}
    for writer, outcomes in by_writer.items():
        # A cell that could not be measured says nothing where another cell of that writer says what happened.
        for outcome in sorted(outcomes - {_NOT_MEASURED}, key=to_plain) or [_NOT_MEASURED]:
            writers.setdefault(outcome, set()).add(writer)
    kinds = sorted(writers.items(), key=lambda item: min(order.index(writer) for writer in item[1]))
    name = one_line(records[0].format, 60)
    lines: list[Inline] = [
        (f"saving to {name} in {_list(names, order)}: ", *outcome) for outcome, names in kinds[:_KINDS]
    ]
    if kinds[_KINDS:]:
        rest = set().union(*(names for _, names in kinds[_KINDS:]))
        lines.append((f"saving to {name} in {_list(rest, order)}: {len(kinds) - _KINDS} other outcomes",))
    return lines


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


def _loading(records: Sequence[CellRecord], told: Mapping[Result, CellRecord], order: Sequence[str]) -> list[Inline]:
    groups: dict[Inline, list[CellRecord]] = {}
    of_result = {result: groups.setdefault(_load_outcome(record), []) for result, record in told.items()}
    for record in records:
        of_result[record.result].append(record)
    kinds = sorted(groups.items(), key=lambda item: (WORST_FIRST.index(item[1][0].status), -len(item[1])))
    lines: list[Inline] = []
    for outcome, group in kinds[:_KINDS]:
        found = _drift(group) if group[0].status is Status.DRIFT else outcome
        lines.append((f"loading {_where(group, records, order)}: ", *found))
    if kinds[_KINDS:]:
        rest = sum(len(group) for _, group in kinds[_KINDS:])
        lines.append((f"loading in {rest} other pairs: {len(kinds) - _KINDS} other outcomes",))
    return lines


def _load_outcome(record: CellRecord) -> Inline:
    """What tells outcomes apart: the status with the error, or with the checks that failed."""
    match record.status:
        case Status.PASS:
            return ("pass",)
        case Status.DRIFT:
            return ("drift", *record.failed_checks)
        case _:
            error = short_error(record.error)
            return (f"{record.status.value} ", Code(error)) if error else (record.status.value,)


def _drift(group: Sequence[CellRecord]) -> Inline:
    """Drift of the same checks: the largest difference of the outputs, and what the other checks said."""
    parts: list[Inline] = []
    told = list(by_result(group).values())
    for check in group[0].failed_checks:
        name = one_line(check, 30)
        differences = [value for record in told if check == "outputs" and (value := delta(record)) is not None]
        said = {_said(record, check) for record in told}
        if differences:
            # NaN is further off than any number, and max() would lose it.
            largest = max(differences, key=lambda value: math.inf if math.isnan(value) else value)
            parts.append((f"{name} by up to {number(largest)}",))
        elif first := _said(group[0], check):
            parts.append((f"{name} ({'such as ' if len(said) > 1 else ''}", Code(first), ")"))
        else:
            parts.append((name,))
    return ("drift of ", *joined(parts, ", ")) if parts else ("drift",)


def _said(record: CellRecord, check: str) -> str:
    """The first of a check's sentences: the worst loss."""
    sentences = record.checks.get(check, {}).get("detail") or [""]
    return one_line(sentences[0], MESSAGE_LIMIT)


def _where(group: Sequence[CellRecord], every: Sequence[CellRecord], order: Sequence[str]) -> str:
    """The pairs of a group, `in READERS from WRITERS`, readers that share their writers taken together."""
    if len(group) == 1:
        return f"in {one_line(group[0].reader, 60)} from {one_line(group[0].writer, 60)}"
    if len(group) == len(every):
        return "in every pair"
    own = {record.writer == record.reader for record in group}
    if len(own) == 1 and len(group) == sum((record.writer == record.reader) in own for record in every):
        return "in the environment that saved it" if own == {True} else "in every other environment"
    writers: dict[str, set[str]] = {}
    for record in group:
        writers.setdefault(record.reader, set()).add(record.writer)
    readers: dict[frozenset[str], list[str]] = {}
    for reader in sorted(writers, key=order.index):
        readers.setdefault(frozenset(writers[reader]), []).append(reader)
    if len(readers) > _KINDS:
        return f"in {len(group)} of {len(every)} pairs"
    any_writer = {record.writer for record in every}
    return "; ".join(
        f"in {_list(names, order)} from {'any writer' if seen == any_writer else _list(seen, order)}"
        for seen, names in readers.items()
    )


def _warned(records: Sequence[CellRecord], told: Mapping[Result, CellRecord]) -> list[Inline]:
    """What loading warned of: what people see first, and the most frequent first."""
    counts: Counter[str] = Counter()
    times = Counter(map(attrgetter("result"), records))
    for result, record in told.items():
        texts = {_warning(warning) for warning in _warnings(record.load, "load")}
        counts.update(dict.fromkeys(texts, times[result]))
    ranked = sorted(_by_count(counts), key=lambda item: _is_hidden(item[0]))
    lines: list[Inline] = [
        (f"loading warned in {count} of {len(records)} pairs: ", Code(text)) for text, count in ranked[:_KINDS]
    ]
    if ranked[_KINDS:]:
        lines.append((f"loading gave {len(ranked) - _KINDS} other warnings",))
    return lines


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


def _list(names: Iterable[str], order: Sequence[str]) -> str:
    return ", ".join(one_line(name, 60) for name in sorted(names, key=order.index))
