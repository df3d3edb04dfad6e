"""What a migration came to, as text, CSV or JSON: one line a file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tfmatrix.commands.migrate.command import FileResult, MigrateResult
from tfmatrix.commands.migrate.verify import Verified
from tfmatrix.core.text import Inline, with_code
from tfmatrix.engine.migration import Level
from tfmatrix.reports import terminal
from tfmatrix.reports.document import Block, Facts, Heading, Table

WIDTH = 100
FIELDS = (
    *("file", "saved_with", "result", "way", "new_file", "proof", "lost", "reason", "fix"),
    *("done_before", "readable"),
)


def to_text(result: MigrateResult) -> str:
    """A table with a row for each file, and what they came to together."""
    return terminal.render(tuple(_blocks(result)), width=WIDTH)


def to_json(result: MigrateResult) -> dict[str, Any]:
    """All of it as data."""
    return {
        "schema": 1,
        "to": result.target.id,
        "exit_code": int(result.exit_code),
        "files": [
            {**_row(each), "lost": list(each.lost), "notes": list(each.notes), "checks": dict(each.checks or {})}
            for each in result.files
        ],
    }


def to_csv(result: MigrateResult) -> str:
    """The same without what was not compared."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
    writer.writeheader()
    for each in result.files:
        writer.writerow({**_row(each), "lost": " ".join(each.lost)})
    return stream.getvalue()


def _row(each: FileResult) -> dict[str, Any]:
    return {
        "file": str(each.source.path),
        "saved_with": each.writer,
        "result": _said(each),
        "way": each.way,
        "new_file": str(each.result or ""),
        "proof": str(each.proof or ""),
        "lost": "",
        "reason": each.reason,
        "fix": each.fix,
        "done_before": each.done,
        "readable": each.readable,
    }


def _said(each: FileResult) -> str:
    return "not measured" if each.infrastructure else each.level.value


def _blocks(result: MigrateResult) -> Iterator[Block]:
    rows = tuple(
        (
            (str(each.source.path),),
            (_said(each).upper(),),
            (str(each.result or ""),),
            with_code(_what(each), 900),
        )
        for each in result.files
    )
    yield Table(head=("file", "result", "new file", "what"), rows=rows, widths={"what": 60})
    counted = Counter(_said(each) for each in result.files)
    said = ", ".join(f"{counted[name]} {name}" for name in (*Level, "not measured") if counted[name])
    yield Heading(
        level=3, text=(f"{len(result.files)} files to {result.target.id}: {said}",), alarm=bool(result.exit_code)
    )
    fixes = dict.fromkeys(each.fix for each in result.files if each.fix)
    if fixes:
        yield Facts(rows=tuple(("next", with_code(fix, 600)) for fix in fixes))


def _what(each: FileResult) -> str:
    if each.level is Level.NOTHING:
        return each.reason
    held = [name for name, status in (each.checks or {}).items() if status == "pass"]
    text = f"{each.way}: {', '.join(held)} hold"
    if each.lost:
        text += f"; lost: {', '.join(each.lost)}"
    if each.reason:
        text += f"; no better way, because {each.reason}"
    return text


def verified_text(found: Verified) -> str:
    """Whether a proof holds, and what of it does not."""
    proof = found.proof
    rows: list[tuple[str, Inline]] = [
        ("old", (f"{proof.old.path} as {proof.writer.id} reads it",)),
        ("new", (f"{proof.new.path} as {proof.reader.id} reads it",)),
        ("proof", (f"{proof.result}: {', '.join(proof.checks)}",)),
    ]
    rows += [("differs", with_code(text, 600)) for text in found.differences]
    said = (
        "NOT MEASURED"
        if found.infrastructure
        else "THE PROOF DOES NOT HOLD"
        if found.differences
        else "THE PROOF HOLDS"
    )
    return terminal.render(
        (Facts(rows=tuple(rows)), Heading(level=3, text=(said,), alarm=bool(found.exit_code))), width=WIDTH
    )


def verified_json(found: Verified) -> dict[str, Any]:
    """The same as data."""
    return {
        "schema": 1,
        "proof": str(found.path),
        "result": found.proof.result,
        "holds": not found.differences and not found.infrastructure,
        "differences": list(found.differences),
        "exit_code": int(found.exit_code),
    }
