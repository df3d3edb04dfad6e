"""What a check found, as text, Markdown or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tabulate import tabulate

from tfmatrix.analysis.losses import losses
from tfmatrix.analysis.reasons import reason
from tfmatrix.commands.check.result import CheckResult, advice
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.core.text import one_line, to_markdown, with_code
from tfmatrix.worker.formats import FORMATS

_HEAD = ("reader", "format", "status", "failed checks", "what", "remedy")


def to_text(result: CheckResult, *, markdown: bool = False) -> str:
    """The file, what it was measured on, and a row for each reader and format."""
    if result.unknown:
        return f"{_facts(result, markdown)}\n\nUNKNOWN: {result.unknown}\n  to fix:   {advice(result)}\n"
    parts = [_facts(result, markdown), _table(result.others, markdown), *_end(result)]
    return "\n\n".join(part for part in parts if part) + "\n"


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
    """What of the model the reference lacks, and why: nothing is said about it in any reader."""
    absent: Mapping[str, Any] = result.account.get("absent") or {}
    promised = {check for each in result.model.formats for check in FORMATS[each].CHECKS}
    return {str(name): one_line(why, 300) for name, why in absent.items() if name in promised}


def _facts(result: CheckResult, markdown: bool) -> str:
    account, model = result.account, result.model
    rows = [
        ("model", f"{model.shown}: {model.what} {model.said}"),
        ("sha256", f"{result.sha256} (before and after: the file was only read)"),
        ("saved with", f"{result.writer.id} ({account.get('writer_known_by') or 'as asked'}){_own(result)}"),
    ]
    for entry in account.get("inputs") or []:
        rows.append(("input", f"{entry['name']} {entry['dtype']} {entry['shape']}: {entry['values']}"))
    if account.get("note"):
        rows.append(("reference", f"the writer loads it only after {account['note']}"))
    rows += [("not compared", f"{name}: {reason}") for name, reason in not_compared(result).items()]
    if str(account.get("network") or "none") != "none":
        rows.append(("network", f"{account['network']}: use a container for files that you do not trust"))
    rows.append(("run", result.run.id))
    if markdown:
        return "\n".join(f"- {name}: {to_markdown(with_code(text, 600))}" for name, text in rows)
    return "\n".join(f"{name:<13} {one_line(text, 600)}" for name, text in rows)


def _own(result: CheckResult) -> str:
    """What the writer makes of its own file on a second load."""
    if result.unknown:
        return ""
    bad = [record for record in result.own if record.status is not Status.PASS]
    if not bad:
        return "; a second load there gives the same"
    return "".join(f"; a second load there as {record.format}: {_status(record)}, {_what(record)}" for record in bad)


def _table(records: Iterable[CellRecord], markdown: bool) -> str:
    rows = [
        (
            record.reader,
            record.format,
            _status(record),
            ", ".join(record.failed_checks),
            _what(record),
            record.remedy or "",
        )
        for record in records
    ]
    if not rows:
        return ""
    if markdown:
        cells = [tuple(to_markdown(with_code(cell, 2000), in_table=True) for cell in row) for row in rows]
        return str(tabulate(cells, headers=_HEAD, tablefmt="github", disable_numparse=True))
    widths = [None, None, None, 22, 60, 30]
    return str(tabulate(rows, headers=_HEAD, tablefmt="simple", disable_numparse=True, maxcolwidths=widths))


def _status(record: CellRecord) -> str:
    marks = [name for name in ("known", "flaky") if getattr(record, name)]
    return " ".join([record.status.value, *(f"({mark})" for mark in marks)])


def _what(record: CellRecord) -> str:
    """In words: what was lost, or what was raised."""
    if record.status is Status.DRIFT:
        return one_line("; ".join(losses(record)), 400)
    error = record.error or {}
    if not error:
        return ""
    if record.status is Status.LOAD_ERROR:
        return reason(error).title
    return one_line(error.get("message") or error.get("type"), 300)


def _end(result: CheckResult) -> list[str]:
    cells = [record for record in result.others if record.status.is_incompatibility and not record.known]
    if not cells:
        return []
    first = next((record for record in cells if record.status is Status.DRIFT), cells[0])
    return [f"more: tfmatrix explain {first.cell} --run {result.run.folder}"]
