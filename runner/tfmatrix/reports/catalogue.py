"""The catalogue of a run's warnings as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
from typing import Any, assert_never

from tfmatrix.analysis.warnings import Catalogue, WarningEntry, answer
from tfmatrix.core.choices import CatalogueFormat
from tfmatrix.core.text import Code, Inline, one_line, with_code
from tfmatrix.reports import markdown
from tfmatrix.reports.document import Block, Heading, Paragraph, Table
from tfmatrix.store.runs import strict_json


def render(found: Catalogue, fmt: CatalogueFormat | str) -> str:
    """The catalogue as text that ends with a newline; the same run gives the same bytes."""
    match CatalogueFormat(fmt):
        case CatalogueFormat.JSON:
            return strict_json(found.to_json(), indent=1) + "\n"
        case CatalogueFormat.CSV:
            return _csv(found)
        case CatalogueFormat.MD:
            return markdown.render(_blocks(found))
        case _ as unreachable:
            assert_never(unreachable)


_COLUMNS = (
    "id", "side", "category", "channel", "phases", "text", "first_version", "last_version", "first_environment",
    "last_environment", "environments", "scenarios", "formats", "times", "issued", "of", "cells", "failed", "example",
    "fingerprints",
)  # fmt: skip


def _csv(found: Catalogue) -> str:
    """One line a warning; lists are separated by spaces."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for entry in found.entries:
        data = entry.to_json()
        writer.writerow([_cell(data[name]) for name in _COLUMNS])
    return stream.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = " ".join(map(str, value))
    # A spreadsheet would take such a message for a formula.
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _blocks(found: Catalogue) -> list[Block]:
    blocks: list[Block] = [
        Heading(level=1, text=(f"Warnings of run {found.run}",)),
        Paragraph(text=with_code(answer(found), 2000)),
    ]
    for side, title, where in (
        ("save", "When a model is saved", "writers"),
        ("load", "When a model is loaded", "readers"),
    ):
        rows = tuple(_row(entry) for entry in found.entries if entry.side == side)
        head = ("id", "warning", "phases", where, f"{side}s with it", "then failed", "formats")
        blocks.append(Heading(level=2, text=(title,)))
        blocks.append(Table(head=head, rows=rows) if rows else Paragraph(text=("No warnings.",)))
    counted = (
        "A save counts once, whatever the number of readers; “then failed” counts cells (scenario, format, writer, "
        "reader) that failed or drifted."
    )
    return [*blocks, Paragraph(text=(counted,))]


def _row(entry: WarningEntry) -> tuple[Inline, ...]:
    first, last = entry.first_version, entry.last_version
    versions = first if first == last else f"{first} – {last}"
    return (
        (entry.id,),
        (Code(one_line(f"{entry.category}: {entry.text}", 200)),),
        (", ".join(entry.phases),),
        (one_line(f"{versions} ({len(entry.environments)})"),),
        (f"{entry.issued} of {entry.of}",),
        (str(entry.prediction),),
        (one_line(", ".join(entry.formats), 2000),),
    )
