"""The answer as text for a terminal, as Markdown, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tfmatrix.analysis.causes import Cause
from tfmatrix.analysis.upgrades import Upgrade, UpgradeVerdict, cells_in_words
from tfmatrix.commands.upgrade.answer import UpgradeAnswer, failure_in_words
from tfmatrix.commands.upgrade.measure import Alternative, Tried
from tfmatrix.commands.upgrade.settled import ANSWER_SCHEMA
from tfmatrix.commands.upgrade.sides import Side
from tfmatrix.core.records import CellRecord
from tfmatrix.core.text import Code, Inline, number, one_line, with_code
from tfmatrix.reports import markdown, terminal
from tfmatrix.reports.document import Block, Bullets, Commands, Heading, Paragraph, Table
from tfmatrix.worker.remedies import remedies

LISTED = 10
"""Items that a list of the text names; the rest is counted. JSON has all."""

WIDTH = 80

_DOING = {"save": "saving", "load": "loading"}


def to_text(answer: UpgradeAnswer, *, colour: bool = False) -> str:
    """For a terminal, at most 80 columns wide (but for commands, which stay whole)."""
    return terminal.render(blocks(answer), width=WIDTH, colour=colour)


def to_markdown(answer: UpgradeAnswer) -> str:
    """For a pull request or a job summary."""
    return markdown.render(blocks(answer))


def blocks(answer: UpgradeAnswer) -> list[Block]:
    """The answer in the order in which a person needs it: the verdict, why, what to do, the way back, the rest."""
    there = answer.upgrade
    title = f"TensorFlow {_old(answer)} → {_new(answer)}: {there.verdict.value}"
    return [
        Heading(level=1, text=(title,), alarm=there.verdict in (UpgradeVerdict.UNSAFE, UpgradeVerdict.UNKNOWN)),
        Paragraph(text=(f"{_sentence(there)}. Tested: {answer.origin}.",)),
        _versions(answer),
        *([Bullets.of(with_code(note) for note in answer.notes)] if answer.notes else []),
        *_causes(f"What breaks, with no remedy ({cells_in_words(len(there.breaks))})", answer.causes),
        *_changes(answer),
        *_training(answer),
        *_unmeasured(answer),
        *_rollback(answer),
        *_alternative(answer.alternative),
        *_warnings(answer),
        *_numerics(answer),
        *_already(answer),
        *_flaky(answer),
        *_ending(answer),
    ]


def _old(answer: UpgradeAnswer) -> str:
    return one_line(answer.name(answer.before), 60)


def _new(answer: UpgradeAnswer) -> str:
    return one_line(answer.name(answer.after), 60)


def _sentence(upgrade: Upgrade) -> str:
    text = one_line(upgrade.sentence, 400)
    return text[:1].upper() + text[1:]


def _versions(answer: UpgradeAnswer) -> Table:
    before, after = answer.versions(answer.before), answer.versions(answer.after)
    names = list(dict.fromkeys([*before, *after]))
    rows = tuple(((name,), *((one_line(side.get(name, "–"), 25),) for side in (before, after))) for name in names)
    return Table(head=("package", "from", "to"), rows=rows)


def _causes(title: str, causes: Sequence[Cause], most: int = LISTED) -> Iterable[Block]:
    if not causes:
        return
    yield Heading(level=2, text=(title,))
    items: list[Inline] = []
    for rank, cause in enumerate(causes[:most], start=1):
        where = f" ({cells_in_words(len(cause.cells))}; {_some(cause.formats)}; {_some(cause.scenarios)})"
        items.append((f"{rank}. ", *with_code(cause.title), where, ", such as ", Code(one_line(cause.example))))
    if len(causes) > most:
        items.append((f"and {len(causes) - most} more causes",))
    yield Bullets.of(items)


def _some(names: Sequence[str], most: int = 3) -> str:
    listed = ", ".join(one_line(name, 40) for name in names[:most])
    return listed + (f" and {len(names) - most} more" if len(names) > most else "")


def _changes(answer: UpgradeAnswer) -> Iterable[Block]:
    changes = answer.changes
    if not changes:
        return
    cells = cells_in_words(sum(len(change.cells) for change in changes))
    yield Heading(level=2, text=(f"What you must change ({cells})",))
    items: list[Inline] = []
    for change in changes[:LISTED]:
        what = f"files of {_old(answer)}" if change.when == "read" else f"models saved with {_new(answer)}"
        costs = f"costs {', '.join(change.costs)}" if change.costs else "costs nothing that is checked"
        price = f" ({one_line(change.price, 200)})" if change.price else ""
        about = f"{price}. For {what}: {_some(change.formats)}; {_some(change.scenarios)}"
        items.append((*with_code(change.todo), f" ({cells_in_words(len(change.cells))}); {costs}{about}"))
    if len(changes) > LISTED:
        items.append((f"and {len(changes) - LISTED} more",))
    yield Bullets.of(items)


def _training(answer: UpgradeAnswer) -> Iterable[Block]:
    found = answer.training
    if found is None:
        if answer.has_code:
            asks = "Whether the code still trains the same, and writes the same names, was not asked: "
            yield Paragraph(text=(asks, Code("--training"), "."))
        return
    verdict = found.verdict
    if found.breaks or found.changes:
        says = "Your code trains differently"
    elif verdict is UpgradeVerdict.SAFE:
        says = "Your code trains the same"
    else:
        says = "Whether your code trains the same is not known"
    yield Heading(level=2, text=(f"{says}: {verdict.value}",), alarm=verdict is UpgradeVerdict.UNSAFE)
    yield Paragraph(text=(f"{_sentence(found)}.",))
    yield from _causes("What differs in training, and in what is written", answer.training_causes)
    items: list[Inline] = [
        (
            Code(one_line(record.cell)),
            f": {one_line(str((record.attribution or {}).get('sentence') or failure_in_words(record)), 500)}",
            *((" — ", *with_code(_todo_of(record))) if record.remedy else ()),
        )
        for record in (*found.breaks, *found.changes)[:LISTED]
    ]
    if items:
        yield Bullets.of(items)


def _todo_of(record: CellRecord) -> str:
    """What restores the training of a cell, as it was tried."""
    advice = {module.NAME: module.ADVICE for module in remedies().values()}
    return f"remedy, tried: {advice.get(str(record.remedy), str(record.remedy))}"


def _unmeasured(answer: UpgradeAnswer) -> Iterable[Block]:
    reasons = answer.unmeasured_reasons
    if not reasons:
        return
    yield Heading(level=2, text=("What was not measured",), alarm=True)
    items = [_failure(f"{cells_in_words(count)}: {reason}", example) for reason, count, example in reasons[:LISTED]]
    yield Bullets.of(items)


def _rollback(answer: UpgradeAnswer) -> Iterable[Block]:
    back = answer.rollback
    yield Heading(level=2, text=(f"May you roll back? {back.verdict.value}",))
    yield Paragraph(text=(f"Files written by {_new(answer)}, read by {_old(answer)}: {one_line(back.sentence, 300)}.",))
    items: list[Inline] = [
        (f"{rank}. ", *with_code(cause.title), f" ({cells_in_words(len(cause.cells))}; {_some(cause.formats)})")
        for rank, cause in enumerate(answer.rollback_causes[:3], start=1)
    ]
    if len(answer.rollback_causes) > 3:
        items.append((f"and {len(answer.rollback_causes) - 3} more causes",))
    if items:
        yield Bullets.of(items)


def _alternative(found: Alternative | None) -> Iterable[Block]:
    if found is None:
        return
    if found.version:
        title = f"The newest version that is SAFE: {found.version}"
    elif found.untried:
        title = "No version that is SAFE was found among those tried"
    else:
        title = "No version between the two is SAFE" if found.tried else "No version lies between the two"
    yield Heading(level=2, text=(title,))
    items: list[Inline] = [(f"{each.version}: {_of(each)}. {one_line(each.sentence, 300)}",) for each in found.tried]
    if found.untried:
        items.append((f"not tried: {', '.join(found.untried)}",))
    if found.note:
        items.append((found.note,))
    if items:
        yield Bullets.of(items)


def _of(tried: Tried) -> str:
    """The verdict; of a release that was tried in part, what is certain of it."""
    if tried.is_complete or tried.verdict is UpgradeVerdict.UNSAFE:
        return tried.verdict.value
    return f"{tried.verdict.value}, or worse (only the scenarios that failed above were tried)"


def _warnings(answer: UpgradeAnswer) -> Iterable[Block]:
    if not answer.warnings:
        return
    count = len(answer.warnings)
    yield Heading(level=2, text=(f"{count} new {'warning' if count == 1 else 'warnings'}",))
    items: list[Inline] = [
        (
            f"when {'saving' if entry.side == 'save' else 'loading'}: ",
            Code(one_line(entry.text, 160)),
            f" ({entry.category})",
        )
        for entry in answer.warnings[:LISTED]
    ]
    if count > LISTED:
        items.append((f"and {count - LISTED} more",))
    yield Bullets.of(items)


def _numerics(answer: UpgradeAnswer) -> Iterable[Block]:
    if not answer.read_cells:
        return
    yield Heading(level=2, text=("How far outputs move",))
    if not answer.drifts:
        yield Paragraph(text=(f"Not at all: bit for bit the same in {cells_in_words(answer.read_cells)}.",))
        return
    rows = tuple(
        (
            (one_line(drift.scenario, 30),),
            (number(drift.max_abs),),
            ("–" if drift.max_ulp is None else number(drift.max_ulp),),
            (str(drift.argmax_flips or "–"),),
            ("within" if drift.within else "BEYOND",),
            ("kernels" if drift.by_kernels else "the file" if not drift.within else "–",),
        )
        for drift in answer.drifts[:LISTED]
    )
    yield Table(head=("scenario", "max abs", "max ULP", "flips", "tolerance", "by"), rows=rows)
    rest = f"; {len(answer.drifts) - LISTED} more scenarios move less" if len(answer.drifts) > LISTED else ""
    yield Paragraph(
        text=(
            f"Of files of {_old(answer)} that {_new(answer)} loads; flips are rows whose largest "
            f"output is another one{rest}.",
        )
    )


def _already(answer: UpgradeAnswer) -> Iterable[Block]:
    upgrade = answer.upgrade
    if not upgrade.already:
        return
    keys = dict.fromkeys(f"{record.scenario}/{record.format}" for record in upgrade.already)
    yield Heading(level=2, text=(f"What failed in {one_line(upgrade.before, 60)} already",), alarm=not upgrade.tested)
    yield Paragraph(text=(f"No reason against the upgrade: {_some(list(keys), 8)}.",))
    yield Bullets.of([_failure(what, example) for what, example in answer.failed_already[:LISTED]])


def _failure(what: str, example: str) -> Inline:
    return (f"{what}, such as ", Code(one_line(example)))


def _flaky(answer: UpgradeAnswer) -> Iterable[Block]:
    if answer.flaky:
        yield Paragraph(text=(f"Two tries disagreed (flaky): {_some(answer.flaky, 5)}.",))


def _ending(answer: UpgradeAnswer) -> Iterable[Block]:
    told = [each for each in (answer.upgrade, answer.training) if each is not None]
    trouble: Sequence[CellRecord] = [
        record for each in told for record in (*each.breaks, *each.changes, *each.unmeasured, *each.already)
    ]
    if trouble and answer.folders:
        yield Paragraph(text=("For the evidence of one cell:",))
        folder = next((each for each in answer.folders if each), "latest")
        yield Commands(lines=((f"tfmatrix explain {one_line(trouble[0].cell)} --run {folder}", ""),))


# JSON


def document(answer: UpgradeAnswer) -> dict[str, Any]:
    """The whole answer as JSON types; see docs/upgrade.md."""
    found = answer.alternative
    return {
        "schema": ANSWER_SCHEMA,
        "verdict": answer.upgrade.verdict.value,
        "exit_code": int(answer.exit_code),
        "unchanged": False,
        "sentence": answer.upgrade.sentence,
        "from": _side(answer, answer.before),
        "to": _side(answer, answer.after),
        "tested_with": answer.origin,
        "upgrade": _judged(answer.upgrade, answer.causes),
        "changes": [
            {
                "name": change.name,
                "todo": change.todo,
                "when": change.when,
                "costs": list(change.costs),
                "price": change.price,
                "scenarios": list(change.scenarios),
                "formats": list(change.formats),
                "cells": list(change.cells),
            }
            for change in answer.changes
        ],
        "training": answer.training and _judged(answer.training, answer.training_causes),
        "rollback": _judged(answer.rollback, answer.rollback_causes),
        "alternative": found
        and {
            "version": found.version,
            "tried": [
                {
                    "version": each.version,
                    "verdict": each.verdict.value,
                    "sentence": each.sentence,
                    "complete": each.is_complete,
                }
                for each in found.tried
            ],
            "not_tried": list(found.untried),
            "note": found.note,
        },
        "new_warnings": [entry.to_json() for entry in answer.warnings],
        "numerics": [
            {
                "scenario": drift.scenario,
                "formats": list(drift.formats),
                "max_abs": drift.max_abs,
                "max_ulp": drift.max_ulp,
                "argmax_flips": drift.argmax_flips,
                "within_tolerance": drift.within,
                "by_kernels": drift.by_kernels,
            }
            for drift in answer.drifts
        ],
        "flaky": list(answer.flaky),
        "notes": list(answer.notes),
        "runs": list(answer.folders),
    }


def _side(answer: UpgradeAnswer, side: Side) -> dict[str, Any]:
    return {
        "id": side.environment.id,
        "source": side.source,
        "file": str(side.file) if side.file else None,
        "pins": [
            {"package": pin.package, "version": pin.version, "specifier": pin.specifier, "line": pin.line}
            for pin in side.pins
        ],
        "packages": answer.versions(side),
    }


def _judged(upgrade: Upgrade, causes: Sequence[Cause]) -> dict[str, Any]:
    return {
        "verdict": upgrade.verdict.value,
        "sentence": upgrade.sentence,
        "tested": upgrade.tested,
        "breaks": _ids(upgrade.breaks),
        "untried": upgrade.untried,
        "changes": _ids(upgrade.changes),
        "gone": _ids(upgrade.gone),
        "failed_before": _ids(upgrade.already),
        "not_measured": [*_ids(upgrade.unmeasured), *upgrade.missing],
        "failures": [
            {"cell": record.cell, "status": record.status.value, "said": failure_in_words(record)}
            for record in (*upgrade.already, *upgrade.unmeasured)
        ],
        "causes": [cause.to_json() for cause in causes],
    }


def _ids(records: Iterable[CellRecord]) -> list[str]:
    return [record.cell for record in records]
