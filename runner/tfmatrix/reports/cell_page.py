"""The page about one cell: what happened, the evidence, what was promised, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tfmatrix.analysis.causes import Cause, known_failures
from tfmatrix.analysis.environments import Environments
from tfmatrix.analysis.reasons import DOING, reason
from tfmatrix.analysis.records import failed_in_save, warnings_of
from tfmatrix.checks.policy import Rule, broken, not_promised, promised
from tfmatrix.core.packages import DECIDING, rank
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import CheckStatus, Status
from tfmatrix.core.text import one_line, shortened
from tfmatrix.reports.pages import Block, Commands, Heading, Items, Paragraph, Table, Verbatim
from tfmatrix.store.runs import Run

_TRACEBACK_LINES = 8
_MESSAGE_LINES = 12
_LINE = 300
_DESCRIPTION_LINES = 30
_MAX_WARNINGS = 20
_MAX_PACKAGES = 15


class CellPage:
    """The page about one cell."""

    def __init__(self, run: Run, record: CellRecord, causes: Sequence[Cause], *, whole_traceback: bool) -> None:
        self._run = run
        self._record = record
        self._causes = causes
        self._whole = whole_traceback
        self._environments = Environments.of(run)
        self._rules = self._promised()

    def blocks(self) -> list[Block]:
        """What happened first, then the evidence, then what to do."""
        return [
            *self._head(),
            *self._claim(),
            *self._error(),
            *self._checks(),
            *self._remedies(),
            *self._warnings(),
            *self._policy(),
            *self._packages(),
            *self._commands(),
        ]

    def to_json(self) -> dict[str, Any]:
        """The record, and what the rest of the run says about it."""
        record, environments = self._record, self._environments
        return {
            "kind": "cell",
            "record": record.to_json(),
            "scenario": dict((self._run.header.get("scenarios") or {}).get(record.scenario) or {}),
            "causes": [{"id": cause.id, "title": cause.title, "cells": len(cause.cells)} for cause in self._causes],
            "promised": [rule.name for rule in self._rules],
            "broken_promises": [rule.name for rule in broken(self._rules, record)],
            "environments": {name: dict(environments.described[name]) for name in (record.writer, record.reader)},
            "different_packages": [package for package, before, after in self._versions() if before != after],
            "commands": [command for command, _ in self._next()],
        }

    def _promised(self) -> tuple[Rule, ...]:
        record, environments = self._record, self._environments
        works = any(
            other.status is Status.PASS
            for other in self._run.records
            if (other.scenario, other.format, other.writer, other.reader)
            == (record.scenario, record.format, record.writer, record.writer)
        )
        return promised(
            record.id, environments.versions(record.writer), environments.versions(record.reader), works_in_writer=works
        )

    def _head(self) -> list[Block]:
        record = self._record
        marks = [
            name
            for name, is_set in {
                "known": record.known,
                "fixed: listed in known_failures.yaml, but passes now": record.fixed,
                "flaky: two tries disagreed": record.flaky,
                "promised": record.promised,
                "from the store": record.cached,
            }.items()
            if is_set
        ]
        said = f"{record.status.value}: {record.status.meaning}"
        blocks: list[Block] = [
            Heading(level=1, text=record.cell),
            Paragraph(text=said + (f" ({', '.join(marks)})" if marks else "") + "."),
        ]
        for cause in self._causes:
            others = len(cause.cells) - 1
            shared = f"with {others} more {cells_word(others)}" if others else "this cell alone"
            blocks.append(Paragraph(text=f"Cause {cause.id}: {cause.title} ({shared}, {cause.where})."))
            blocks += links(cause)
        reasons, _ = known_failures(self._run, [record])
        if reasons:
            blocks.append(Paragraph(text=f"Known: {'; '.join(reasons)}"))
        return blocks

    def _claim(self) -> list[Block]:
        about = (self._run.header.get("scenarios") or {}).get(self._record.scenario) or {}
        if not about.get("title"):
            return []
        blocks: list[Block] = [Heading(level=2, text="Scenario"), Paragraph(text=one_line(about["title"], 300))]
        description = str(about.get("description") or "").strip()
        if description:
            blocks.append(Verbatim(text="\n".join(description.split("\n")[:_DESCRIPTION_LINES])))
        return blocks

    def _error(self) -> list[Block]:
        error = self._record.error
        if not error:
            return []
        phase, kind = str(error.get("phase") or ""), str(error.get("type") or "exception")
        message, traceback = str(error.get("message") or ""), str(error.get("traceback") or "").rstrip()
        side = "the writer" if failed_in_save(self._record) else "the reader"
        doing = DOING.get(phase, one_line(phase, 30))
        blocks: list[Block] = [
            Heading(level=2, text="Error"),
            Paragraph(text=f"`{one_line(kind, 100)}` in {side}, while {doing}."),
        ]
        decided = reason(error).text
        if decided and decided != one_line(message, 600):
            blocks += [Paragraph(text="What decides:"), Verbatim(text=decided), Paragraph(text="The whole message:")]
        if message:
            blocks.append(Verbatim(text=message if self._whole else _shortened(message)))
        if traceback:
            # It ends with the message again: what led there stands before.
            frames = traceback if self._whole else traceback.removesuffix(f"{kind}: {message}".rstrip()).rstrip()
            blocks += [
                Paragraph(text="Traceback:" if self._whole else "Traceback, last lines:"),
                Verbatim(text=frames or traceback, limit=20_000 if self._whole else _TRACEBACK_LINES),
            ]
        return blocks

    def _checks(self) -> list[Block]:
        record = self._record
        items = []
        for name, check in record.checks.items():
            status = one_line(check.get("status") or "?", 20)
            figures = _figures(check)
            # What loading raised stands above.
            shown = () if name == "load" and record.error else _sentences(check)
            sentences = [one_line(sentence, 400) for sentence in shortened(shown)]
            items.append((f"{one_line(name, 30)}: {status}" + (f" ({figures})" if figures else ""), tuple(sentences)))
        blocks: list[Block] = [Heading(level=2, text="Checks"), Items(items=tuple(items))] if items else []
        sentence = (record.attribution or {}).get("sentence")
        if sentence:
            blocks.append(Paragraph(text=f"Attribution: {one_line(sentence, 600)}."))
        return blocks

    def _remedies(self) -> list[Block]:
        record = self._record
        if not record.remedies:
            return []
        items = tuple(
            (
                f"`{one_line(each.get('name') or '?', 100)}`: {one_line(each.get('status') or '?', 20)}"
                + (" (recommended)" if each.get("name") == record.remedy else ""),
                (one_line(each["detail"], 400),) if each.get("detail") else (),
            )
            for each in record.remedies
        )
        return [Heading(level=2, text="Remedies tried"), Items(items=items)]

    def _warnings(self) -> list[Block]:
        blocks: list[Block] = []
        for side, title in (("save", "Warnings of the save"), ("load", "Warnings of the load")):
            outcome = self._record.save if side == "save" else self._record.load
            found = list(warnings_of(self._record, side))
            if not outcome:
                continue
            blocks.append(Heading(level=2, text=title))
            if not found:
                blocks.append(Paragraph(text="None."))
                continue
            items = [_warning(each, side) for each in found[:_MAX_WARNINGS]]
            if len(found) > _MAX_WARNINGS:
                items.append(f"and {len(found) - _MAX_WARNINGS} more")
            blocks.append(Items.of(items))
        return blocks

    def _policy(self) -> list[Block]:
        record, environments = self._record, self._environments
        blocks: list[Block] = [Heading(level=2, text="What was promised")]
        if not self._rules:
            why = not_promised(record.id, environments.versions(record.writer), environments.versions(record.reader))
            return [*blocks, Paragraph(text=f"Nothing: {why}")]
        violated = broken(self._rules, record)
        items = tuple(
            (
                f"{'Broken' if rule in violated else 'Promised'}: {rule.said}",
                (
                    f"Checks: {', '.join(rule.checks)}. {rule.limits}",
                    f"{rule.source.title}, {rule.section}: {rule.source.url}",
                ),
            )
            for rule in self._rules
        )
        return [*blocks, Items(items=items)]

    def _versions(self) -> list[tuple[str, str, str]]:
        """Package, version in the writer, version in the reader; the ones that matter first."""
        record, environments = self._record, self._environments
        writer, reader = environments.packages(record.writer), environments.packages(record.reader)
        names = sorted({*writer, *reader}, key=lambda name: (rank(name), name))
        described = (environments.described[each] for each in (record.writer, record.reader))
        before, after = (str(each.get("python") or "") for each in described)
        python = [("python", before, after)] if before or after else []
        return python + [(name, writer.get(name, ""), reader.get(name, "")) for name in names]

    def _packages(self) -> list[Block]:
        record = self._record
        versions = self._versions()
        if not versions:
            return []
        main = [row for row in versions if row[0] == "python" or row[0] in DECIDING]
        others = [row for row in versions if row not in main and row[1] != row[2]]
        shown = [*main, *others[:_MAX_PACKAGES]]
        if record.writer == record.reader:
            shown = main
        rows = [("", "package", record.writer, record.reader)]
        rows += [("≠" if before != after else "", name, before or "–", after or "–") for name, before, after in shown]
        blocks: list[Block] = [
            Heading(level=2, text="Environments"),
            Table(rows=tuple(tuple(one_line(cell, 60) for cell in row) for row in rows)),
        ]
        if len(others) > _MAX_PACKAGES:
            blocks.append(Paragraph(text=f"and {len(others) - _MAX_PACKAGES} more packages that differ."))
        return blocks

    def _next(self) -> list[tuple[str, str]]:
        cell = shlex.quote(one_line(self._record.cell, 300))
        steps = [
            (f"tfmatrix reproduce {cell}", "plain scripts that show the same"),
            (f"tfmatrix run --only {cell}", "this cell again"),
        ]
        steps += [
            (f"tfmatrix explain {cause.id}", "every cell of this cause")
            for cause in self._causes
            if len(cause.cells) > 1
        ]
        if self._record.error and not self._whole:
            steps.append((f"tfmatrix explain {cell} --traceback", "the whole traceback"))
        return steps

    def _commands(self) -> list[Block]:
        return [Heading(level=2, text="To go on"), Commands(lines=tuple(self._next()))]


def _shortened(message: str) -> str:
    """The first lines of a message, long ones cut."""
    every = message.split("\n")
    shown = [line if len(line) <= _LINE else f"{line[:_LINE]}…" for line in every[:_MESSAGE_LINES]]
    return "\n".join(shown if len(every) <= _MESSAGE_LINES else [*shown, f"[{len(every) - _MESSAGE_LINES} more lines]"])


def _warning(warning: Mapping[str, Any], side: str) -> str:
    """One warning in a line: phase, category, message, how often."""
    category = one_line(warning.get("category") or warning.get("channel") or "", 40)
    said = f"{one_line(warning.get('phase') or side, 20)}, {category}: {one_line(warning.get('message') or '', 400)}"
    return said if warning.get("count", 1) == 1 else f"{said} (×{one_line(warning['count'], 20)})"


def _figures(check: Mapping[str, Any]) -> str:
    """The figures of a check in a line: single values, and short lists of them (losses).

    Of a check that held those that are 0 say nothing.
    """
    held = check.get("status") == CheckStatus.PASS
    parts = []
    for name, value in check.items():
        if name in ("status", "findings", "detail") or value is None or value == "" or (held and value in (0, False)):
            continue
        if isinstance(value, str | int | float):
            parts.append(f"{one_line(name, 40)} {_number(value)}")
        elif isinstance(value, list | tuple) and value and all(isinstance(item, str | int | float) for item in value):
            more = f" and {len(value) - 6} more" if len(value) > 6 else ""
            parts.append(f"{one_line(name, 40)} [{', '.join(_number(item) for item in value[:6])}{more}]")
    return ", ".join(parts)


def _number(value: str | float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else one_line(value, 80)


def _sentences(check: Mapping[str, Any]) -> Sequence[str]:
    detail = check.get("detail") or ()
    return [detail] if isinstance(detail, str) else [str(sentence) for sentence in detail]


def links(cause: Cause) -> list[Block]:
    """What is known upstream, as a list."""
    return [Items.of(f"{link.about}: {link.url}" for link in cause.links)] if cause.links else []


def cells_word(count: int) -> str:
    """`cell` or `cells`."""
    return "cell" if count == 1 else "cells"
