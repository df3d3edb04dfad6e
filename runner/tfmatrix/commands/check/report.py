"""What a check found, as text, Markdown or JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from tfmatrix.analysis.losses import losses
from tfmatrix.analysis.reasons import reason
from tfmatrix.commands.check.result import CheckResult, Refused, advice, is_unsteady
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.core.text import Inline, Mark, one_line, to_plain, with_code
from tfmatrix.reports import markdown as markdown_form
from tfmatrix.reports import terminal
from tfmatrix.reports.document import Block, Commands, Facts, Heading, Table
from tfmatrix.worker.protocol import THREADS
from tfmatrix.worker.remedies import MIGRATE, price_of

WIDTH = 100


def to_text(result: CheckResult, *, markdown: bool = False) -> str:
    """The file, what it was measured on, and a row for each reader and format."""
    found = tuple(blocks(result))
    return markdown_form.render(found) if markdown else terminal.render(found, width=WIDTH)


def blocks(result: CheckResult) -> Iterator[Block]:
    """The answer in the order in which a person needs it."""
    yield Facts(rows=tuple(_facts(result)))
    if result.unknown:
        yield Heading(level=3, text=(f"UNKNOWN: {result.unknown}",), alarm=True)
        yield Facts(rows=(("to fix", with_code(advice(result), 1000)),))
        return
    rows = tuple(
        (
            (record.reader,),
            (record.format,),
            _status(record),
            (", ".join(record.failed_checks),),
            (_magnitudes(record),),
            with_code(_what(record), 400),
            (record.remedy or "",),
        )
        for record in result.others
    )
    if rows:
        yield Table(
            head=("reader", "format", "status", "failed checks", "differs by up to", "what", "remedy"),
            rows=rows,
            widths={"failed checks": 22, "what": 60, "remedy": 30},
        )
    prices = {name: price_of(name) for record in result.others if (name := record.remedy)}
    if any(prices.values()):
        yield Facts(
            rows=tuple((name, with_code(f"its price: {price}", 300)) for name, price in prices.items() if price)
        )
    news = [record for record in result.others if record.status.is_incompatibility and not record.known]
    if news:
        first = next((record for record in news if record.status is Status.DRIFT), news[0])
        lines = [(f"tfmatrix explain {first.cell} --run {result.run.folder}", "the evidence of a cell")]
        remade = next((record for record in news if record.remedy == MIGRATE), None)
        if remade is not None:
            said = f"tfmatrix migrate {shlex.quote(str(result.model.path))} --saved-with {result.writer.id}"
            lines.append((f"{said} --to {remade.reader}", "the file that it reads"))
        yield Commands(lines=tuple(lines))


def to_json(result: CheckResult) -> dict[str, Any]:
    """All of it as data: the file, the account of the measurement, and the records."""
    return {
        "schema": 1,
        "model": {
            "path": str(result.model.path),
            "what": result.model.what,
            "sha256": result.sha256,
            "unchanged": True,
            "keras": result.model.keras,
            "tensorflow": result.model.tensorflow,
            "runtime": result.model.runtime,
        },
        "writer": {"id": result.writer.id, "known_by": result.account.get("writer_known_by") or ""},
        "inputs": result.account.get("inputs") or [],
        "network": result.account.get("network") or "",
        "not_compared": not_compared(result),
        "unknown": result.unknown,
        "exit_code": int(result.exit_code),
        "run": result.run.id,
        "cells": [record.to_json() for record in result.run.records],
    }


def not_compared(result: CheckResult) -> dict[str, str]:
    """What is not compared, and why: what the reference lacks, in every reader; what draws random numbers, in some."""
    absent: Mapping[str, Any] = result.account.get("absent") or {}
    found = {str(name): one_line(why, 300) for name, why in absent.items() if name in result.promised}
    found |= {name: one_line(why, 300) for name, why in _unsteady(result).items()}
    by_chance: dict[str, str] = {}
    readers: dict[str, list[str]] = {}
    for record in result.others:
        for name, check in record.checks.items():
            sentence = next((said for code, said in _said(check) if code == "chance"), "")
            if sentence and record.reader not in readers.setdefault(name, []):
                by_chance[name] = sentence
                readers[name].append(record.reader)
    return found | {name: one_line(f"in {', '.join(readers[name])}: {why}", 400) for name, why in by_chance.items()}


def _said(check: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The findings of a check: code and sentence."""
    for finding, sentence in zip(check.get("findings") or (), check.get("detail") or (), strict=False):
        yield str(finding["code"]), str(sentence)


def _unsteady(result: CheckResult) -> dict[str, str]:
    """The checks that differ in the writer itself, from one load to the next, and how."""
    return {
        name: " ".join(check.get("detail") or ()).removeprefix("not compared: ")
        for record in result.own
        for name, check in record.checks.items()
        if is_unsteady(check)
    }


def _facts(result: CheckResult) -> Iterator[tuple[str, Inline]]:
    account, model = result.account, result.model
    rows = [
        ("model", f"{model.shown}: {model.what} {model.said}"),
        ("sha256", f"{result.sha256} (before and after: the file was only read)"),
        ("saved with", f"{result.writer.id} ({account.get('writer_known_by') or 'as asked'}){_own(result)}"),
    ]
    for entry in account.get("inputs") or []:
        rows.append(("input", f"{entry['name']} {entry['dtype']} {entry['shape']}: {entry['values']}"))
    if account.get("note"):
        rows.append(("reference", str(account["note"])))
    if model.remark:
        rows.append(("its name", model.remark))
    own = result.writer.env.get(THREADS) == "0"
    rows.append(("threads", "TensorFlow's own number in each worker" if own else "one in each worker"))
    rows += [("not compared", f"{name}: {reason}") for name, reason in not_compared(result).items()]
    if str(account.get("network") or "none") != "none":
        rows.append(("network", f"{account['network']}: use a container for files that you do not trust"))
    rows.append(("run", result.run.id))
    yield from ((name, with_code(text, 600)) for name, text in rows)


def _own(result: CheckResult) -> str:
    """What the writer makes of its own file on a second load."""
    if result.unknown:
        return ""
    bad = [record for record in result.own if record.status is not Status.PASS]
    if not bad:
        unsteady = ", ".join(_unsteady(result))
        return f"; a second load there differs in {unsteady}" if unsteady else "; a second load there gives the same"
    return "".join(
        f"; a second load there as {record.format}: {to_plain(_status(record))}, {_what(record)}" for record in bad
    )


def _status(record: CellRecord) -> Inline:
    marks = [f" ({name})" for name in ("known", "flaky") if getattr(record, name)]
    return (Mark(record.status.value, record.status), *marks)


def _magnitudes(record: CellRecord) -> str:
    """The largest absolute differences of what has any, those within the tolerance too."""
    found = {
        name: float(check["max_abs"])
        for name, check in record.checks.items()
        if name in ("outputs", "weights") and check.get("max_abs") is not None
    }
    return ", ".join(f"{name} {largest:.2g}" for name, largest in found.items())


def _what(record: CellRecord) -> str:
    """In words: what was lost, or what was raised."""
    if record.status is Status.DRIFT:
        return one_line("; ".join(losses(record)), 400)
    error = record.error or {}
    if not error:
        return ""
    if record.status is Status.LOAD_ERROR:
        if (record.artifact or {}).get("kind") == "hdf5" and "File format not supported" in str(error.get("message")):
            return "`load_model` of Keras 3 reads HDF5 only where the name ends in .h5 or .hdf5"
        least = (record.artifact or {}).get("runtime")
        return f"{reason(error).title}{f'; the file says that it needs TensorFlow {least}' if least else ''}"
    where = " in further training, after it was loaded and observed" if error.get("phase") == "resume" else ""
    return one_line(f"{error.get('message') or error.get('type')}{where}", 300)


def refused(result: Refused) -> str:
    """A model of a folder that could not be checked."""
    rows: tuple[tuple[str, Inline], ...] = (
        ("model", with_code(str(result.path), 600)),
        ("not checked", with_code(str(result.error), 2000)),
    )
    return terminal.render((Facts(rows=rows),), width=WIDTH)
