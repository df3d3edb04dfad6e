"""The page about one cell: what happened, the evidence, what was promised, and what to do next.

`tfmatrix explain` shows it whole. The site keeps its parts in data files, where cells share them, and draws its head
and its commands from the index of the run.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tfmatrix.analysis.causes import Cause, known_failures
from tfmatrix.analysis.environments import Environments
from tfmatrix.analysis.reasons import DOING, reason
from tfmatrix.analysis.records import failed_in_save, policy_of, warnings_of
from tfmatrix.checks.policy import Rule, broken, not_promised, promised
from tfmatrix.core.packages import DECIDING, rank
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import CheckStatus, Status
from tfmatrix.core.text import Code, Inline, Link, Mark, Strong, cut, one_line, shortened, with_code
from tfmatrix.reports.document import (
    Block,
    Bullets,
    Commands,
    Details,
    Facts,
    Heading,
    Item,
    Paragraph,
    Table,
    Verbatim,
)
from tfmatrix.store.runs import Run

_LINE = 300
_DESCRIPTION_LINES = 30


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much of a page is shown: characters of a text, items of a list, lines of a message and of a traceback."""

    text: int = 20_000
    items: int = 20
    message: int = 12
    traceback: int = 8


WHOLE = Limits(message=20_000, traceback=20_000)


INFERRED_BY: Mapping[str, str] = {
    "artifact": "Not measured: inferred from {cell}, whose writer saves the same but for versions and values.",
    "reader": "Not measured: inferred from {cell}; the readers on both sides of this one agree.",
}
"""Why a cell has a status without having been measured, by what it is inferred by."""


class CellPage:
    """The page about one cell, for a terminal."""

    def __init__(self, run: Run, record: CellRecord, causes: Sequence[Cause], *, whole_traceback: bool) -> None:
        self._run = run
        self._record = record
        self._causes = causes
        self._whole = whole_traceback
        self._environments = Environments.of(run)
        self._rules = self._promised()

    def blocks(self) -> list[Block]:
        """What happened first, then the evidence, then what to do."""
        record, limits = self._record, WHOLE if self._whole else Limits()
        versions = self._versions()
        return [
            *self._head(),
            *self._claim(),
            *(error_blocks(record, limits) if record.error else ()),
            *(check_blocks(record, limits)),
            *remedy_blocks(record, limits),
            *outcome_blocks(record, "save", limits),
            *outcome_blocks(record, "load", limits),
            *self._policy(),
            *package_blocks(record.writer, record.reader, versions, limits),
            Heading(level=2, text=("To go on",)),
            Commands(lines=tuple(self._next())),
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
            policy_of(self._run.header, record.format),
            environments.versions(record.writer),
            environments.versions(record.reader),
            works_in_writer=works,
        )

    def _head(self) -> Iterator[Block]:
        record = self._record
        marks = {
            "known": record.known,
            "fixed: listed in known_failures.yaml, but passes now": record.fixed,
            "flaky: two tries disagreed": record.flaky,
            "promised": record.promised,
            "from the store": record.cached,
        }
        marked = ", ".join(name for name, is_set in marks.items() if is_set)
        said = f": {record.status.meaning}" + (f" ({marked})" if marked else "") + "."
        yield Heading(level=1, text=(one_line(record.cell, 300),))
        yield Paragraph(text=(Mark(record.status.value, record.status), said))
        if record.inferred is not None:
            source = one_line(record.inferred.get("from", ""), 300)
            before, _, after = INFERRED_BY.get(record.inferred.get("by", ""), INFERRED_BY["reader"]).partition("{cell}")
            yield Paragraph(text=(before, Code(source), after))
        for cause in self._causes:
            others = len(cause.cells) - 1
            shared = f"with {others} more {'cell' if others == 1 else 'cells'}" if others else "this cell alone"
            yield Paragraph(text=(f"Cause {cause.id}: ", *with_code(cause.title, 4000), f" ({shared}, {cause.where})."))
            yield from links(cause)
        reasons, _ = known_failures(self._run, [record] if record.known else [])
        if reasons:
            yield Paragraph(text=("Known: ", *with_code("; ".join(reasons), 4000)))

    def _claim(self) -> Iterator[Block]:
        about = (self._run.header.get("scenarios") or {}).get(self._record.scenario) or {}
        if not about.get("title"):
            return
        yield Heading(level=2, text=("Scenario",))
        yield Paragraph(text=with_code(about["title"], 300))
        description = str(about.get("description") or "").strip()
        if description:
            shown = "\n".join(description.split("\n")[:_DESCRIPTION_LINES])
            yield Verbatim(text=shown, label="The claim")

    def _policy(self) -> list[Block]:
        record, environments = self._record, self._environments
        if self._rules:
            return promise_blocks(self._rules, broken(self._rules, record))
        kind = policy_of(self._run.header, record.format)
        why = not_promised(kind, environments.versions(record.writer), environments.versions(record.reader))
        return [Heading(level=2, text=(_PROMISED,)), Paragraph(text=("Nothing: ", *with_code(why, 4000)))]

    def _versions(self) -> list[tuple[str, str, str]]:
        environments = self._environments
        first, second = (_with_python(environments, name) for name in (self._record.writer, self._record.reader))
        return versions(first, second)

    def _next(self) -> Iterator[tuple[str, str]]:
        record, run = self._record, run_option(self._run)
        cell = shlex.quote(one_line(record.cell, 300))
        file = (self._run.header.get("files") or {}).get(record.scenario)
        if file is None:
            yield from ((command.format(cell=cell, run=run), what) for command, what in COMMANDS[::2])
        elif file.get("path"):
            command = f"tfmatrix check {shlex.quote(str(file['path']))} --saved-with {_named(record.writer, file)}"
            given = [shlex.quote(str(part)) for part in file.get("options") or ()]
            yield " ".join([command, "--readers", shlex.quote(record.reader), *given]), "this file again"
        for cause in self._causes:
            if len(cause.cells) > 1:
                yield f"tfmatrix explain {cause.id}{run}", "every cell of this cause"
        if record.error and not self._whole:
            yield f"tfmatrix explain {cell} --traceback{run}", "the whole traceback"


def run_option(run: Run) -> str:
    """What a command needs to find the run of a model file: it is never the project's newest."""
    return f" --run {shlex.quote(str(run.folder))}" if run.header.get("files") else ""


def _named(writer: str, file: Mapping[str, Any]) -> str:
    """The writer as the command line takes it: an id that tfmatrix made for a file's Keras names no environment."""
    return shlex.quote(str(file.get("tensorflow") or writer))


COMMANDS = (
    ("tfmatrix reproduce {cell}{run}", "plain scripts that show the same"),
    ("tfmatrix explain {cell}{run}", "this page in a terminal"),
    ("tfmatrix run --only {cell}", "this cell again"),
)
"""What to do with any cell; `run` names the run where it is not the newest."""

_PROMISED = "What was promised"


def error_blocks(record: CellRecord, limits: Limits) -> list[Block]:
    """What was raised, where, and what of it decides."""
    error = record.error or {}
    phase, kind = str(error.get("phase") or ""), str(error.get("type") or "exception")
    message, traceback = str(error.get("message") or ""), str(error.get("traceback") or "").rstrip()
    side = "the writer" if failed_in_save(record) else "the reader"
    blocks: list[Block] = [
        Heading(level=2, text=("Error",)),
        Paragraph(text=(Code(one_line(kind, 100)), f" in {side}, while {DOING.get(phase, one_line(phase, 30))}.")),
    ]
    decided = reason(error).text
    if decided and decided != one_line(message, 600):
        blocks += [
            Paragraph(text=("What decides:",)),
            Verbatim(text=decided, label="What decides"),
            Paragraph(text=("The whole message:",)),
        ]
    if message:
        blocks.append(Verbatim(text=_shortened(cut(message, limits.text), limits.message), label="Message"))
    if traceback:
        whole = limits.traceback >= WHOLE.traceback
        # It ends with the message again: what led there stands before.
        frames = traceback if whole else traceback.removesuffix(f"{kind}: {message}".rstrip()).rstrip()
        blocks += [
            Paragraph(text=("Traceback:" if whole else "Traceback, last lines:",)),
            Verbatim(text=cut(frames or traceback, limits.text), label="Traceback", limit=limits.traceback),
        ]
    return blocks


def _shortened(message: str, most: int) -> str:
    """The first lines of a message, long ones cut."""
    every = message.split("\n")
    if len(every) <= most and most > _LINE:
        return message
    shown = [line if len(line) <= _LINE else f"{line[:_LINE]}…" for line in every[:most]]
    return "\n".join(shown if len(every) <= most else [*shown, f"[{len(every) - most} more lines]"])


def check_blocks(record: CellRecord, limits: Limits) -> list[Block]:
    """Every check with what it found, and what the differences are attributed to."""
    items = tuple(
        # What loading raised stands above.
        check_item(name, check, limits, is_told=name == "load" and bool(record.error))
        for name, check in islice(record.checks.items(), limits.items)
    )
    if len(record.checks) > limits.items:
        items += (Item(text=(f"and {len(record.checks) - limits.items} more",)),)
    blocks: list[Block] = [Heading(level=2, text=("Checks",)), Bullets(items=items)] if items else []
    return blocks + attribution_blocks(record.attribution or {}, limits)


def check_item(name: str, check: Mapping[str, Any], limits: Limits, *, is_told: bool = False) -> Item:
    """One check: its status, its sentences unless they are told elsewhere, and its figures."""
    status = str(check.get("status") or "?")
    known = status in list(CheckStatus)
    mark: Inline = (Mark(status, CheckStatus(status)),) if known else (one_line(status, 20),)
    detail = check.get("detail") or ()
    sentences = [] if is_told else [detail] if isinstance(detail, str) else [*map(str, detail)]
    return Item(
        text=(f"{one_line(name, 30)}: ", *mark),
        under=tuple(with_code(each, min(400, limits.text)) for each in shortened(sentences, limits.items)),
        figures=_some(tuple(_figures(check)), limits.items),
    )


def _some(figures: tuple[tuple[str, str], ...], most: int) -> tuple[tuple[str, str], ...]:
    return figures if len(figures) <= most else (*figures[: most - 1], ("more", f"{len(figures) - most + 1} figures"))


def _figures(check: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The figures of a check: single values, and short lists of them (losses).

    Of a check that held those that are 0 say nothing.
    """
    held = check.get("status") == CheckStatus.PASS
    for name, value in check.items():
        if name in ("status", "detail", "findings") or value in (None, "") or (held and value in (0, False)):
            continue
        if isinstance(value, str | int | float):
            yield one_line(name, 40), _number(value)
        elif isinstance(value, list | tuple) and value and all(isinstance(item, str | int | float) for item in value):
            more = f" and {len(value) - 6} more" if len(value) > 6 else ""
            yield one_line(name, 40), f"[{', '.join(map(_number, value[:6]))}{more}]"


def _number(value: str | float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else one_line(value, 80)


def attribution_blocks(attribution: Mapping[str, Any], limits: Limits) -> list[Block]:
    """What the differences come from, where it was told."""
    sentence = attribution.get("sentence")
    return [Paragraph(text=("Attribution: ", one_line(sentence, min(600, limits.text)), "."))] if sentence else []


def remedy_blocks(record: CellRecord, limits: Limits) -> list[Block]:
    """Every remedy that was tried, and what it brought back."""
    items = tuple(
        Item(
            text=(
                Code(one_line(each.get("name") or "?", 100)),
                *((" (recommended)",) if each.get("name") == record.remedy else ()),
                f": {one_line(each.get('status') or '?', 20)}",
            ),
            under=tuple(
                (one_line(said, min(400, limits.text)),)
                for said in (each.get("detail"), f"price: {each['price']}" if each.get("price") else "")
                if said
            ),
        )
        for each in islice(record.remedies, limits.items)
    )
    if len(record.remedies) > limits.items:
        items += (Item(text=(f"and {len(record.remedies) - limits.items} more",)),)
    return [Heading(level=2, text=("Remedies tried",)), Bullets(items=items)] if items else []


def outcome_blocks(record: CellRecord, side: str, limits: Limits) -> list[Block]:
    """How the save, or the load, ended, and what it warned of."""
    outcome = record.save if side == "save" else record.load
    if not outcome:
        return []
    found = list(warnings_of(record, side))
    items = [_warning(each, side) for each in found[: limits.items]]
    if len(found) > limits.items:
        items.append((f"and {len(found) - limits.items} more",))
    ended = f"{one_line(outcome.get('status') or '?', 20)}{_seconds(outcome.get('seconds'))}"
    blocks: list[Block] = [
        Heading(level=2, text=(f"Warnings of the {side}",)),
        Paragraph(text=(f"{ended}." if items else f"None ({ended}).",)),
    ]
    return [*blocks, Bullets.of(items)] if items else blocks


def _seconds(seconds: object) -> str:
    """`, 1.2 s`, also by phase."""
    match seconds:
        case dict():
            return ", " + ", ".join(f"{one_line(name, 20)} {_number(value)} s" for name, value in seconds.items())
        case int() | float():
            return f", {_number(seconds)} s"
        case _:
            return ""


def _warning(warning: Mapping[str, Any], side: str) -> Inline:
    """One warning in a line: phase, category, message, how often."""
    category = one_line(warning.get("category") or warning.get("channel") or "", 40)
    said = f"{one_line(warning.get('phase') or side, 20)}, {category}: {one_line(warning.get('message') or '', 400)}"
    return (said if warning.get("count", 1) == 1 else f"{said} (×{one_line(warning['count'], 20)})",)


def promise_blocks(rules: Iterable[Rule], violated: Sequence[Rule]) -> list[Block]:
    """What the policies of TensorFlow and Keras promise about a cell, and what of it is broken."""
    items = tuple(
        Item(
            text=(Strong("Broken" if rule in violated else "Promised"), ": ", *with_code(rule.said, 600)),
            under=(
                (f"Checks: {', '.join(rule.checks)}. {rule.limits}",),
                (Link(rule.source.url, f"{rule.source.title}, {rule.section}"),),
            ),
        )
        for rule in rules
    )
    return [Heading(level=2, text=(_PROMISED,)), Bullets(items=items)]


Versions = list[tuple[str, str, str]]
"""Package, version in the writer, version in the reader."""


def _with_python(environments: Environments, name: str) -> dict[str, str]:
    python = str(environments.described.get(name, {}).get("python") or "")
    return {"python": python} | environments.packages(name) if python else environments.packages(name)


def versions(writer: Mapping[str, str], reader: Mapping[str, str]) -> Versions:
    """The packages of two environments, Python first, then the ones that decide."""
    names = sorted({*writer, *reader}, key=lambda name: (name != "python", rank(name), name))
    return [(name, writer.get(name, ""), reader.get(name, "")) for name in names]


def package_blocks(writer: str, reader: str, packages: Versions, limits: Limits) -> list[Block]:
    """The packages of writer and reader: those that decide and those that differ, the others folded away."""
    if not packages:
        return []
    main = [row for row in packages if row[0] == "python" or row[0] in DECIDING]
    differing = [row for row in packages if row not in main and row[1] != row[2]]
    shown = [*main, *differing[: limits.items]]
    rest = [row for row in packages if row not in shown]
    blocks: list[Block] = [Heading(level=2, text=("Environments",)), _packages(writer, reader, shown)]
    if len(differing) > limits.items:
        blocks.append(Paragraph(text=(f"and {len(differing) - limits.items} more packages that differ.",)))
    if rest:
        blocks.append(Details(summary=f"{len(rest)} more packages", blocks=(_packages(writer, reader, rest),)))
    return blocks


def _packages(writer: str, reader: str, rows: Versions) -> Table:
    return Table(
        head=("package", f"writer {one_line(writer, 60)}", f"reader {one_line(reader, 60)}", "compared"),
        rows=tuple(
            (
                (one_line(name, 60),),
                (one_line(before or "–", 60),),
                (one_line(after or "–", 60),),
                (Strong("≠ differs"),) if before != after else ("same",),
            )
            for name, before, after in rows
        ),
    )


def artifact_blocks(artifact: Mapping[str, Any], limits: Limits) -> list[Block]:
    """What the save wrote."""
    rows = tuple((one_line(key, 40), (one_line(value, 120),)) for key, value in islice(artifact.items(), limits.items))
    return [Heading(level=2, text=("Artifact",)), Facts(rows=rows)] if rows else []


def links(cause: Cause) -> list[Block]:
    """What is known upstream, as a list."""
    return [Bullets.of((Link(link.url, link.about),) for link in cause.links)] if cause.links else []
