"""Proposes entries of known_failures.yaml for a run's unexpected incompatibilities, for somebody to review."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tfmatrix.analysis.causes import Cause, find_causes
from tfmatrix.core.ids import CellId
from tfmatrix.core.status import Status
from tfmatrix.store.content import write_atomically
from tfmatrix.store.runs import Run

WIDTH = 120

DAYS = 90
"""What is accepted counts for so long: then it is news again, unless somebody has said otherwise."""


def proposals(run: Run, today: date) -> list[dict[str, Any]]:
    """One entry per cause with unexpected cells: globs that cover just these, status, and what a reviewer asks for.

    That is the cause, the first bad version, the remedy and an upstream link. Each ends after `DAYS`, and is marked as
    reviewed by nobody.
    """
    failed = {record.cell: record.failed_checks for record in run.records if record.is_news}
    entries = []
    for cause in find_causes(run):
        cells = [CellId.parse(cell) for cell in cause.cells if cell in failed]
        if not cells:
            continue
        entry: dict[str, Any] = {
            "cells": covering_globs(cells),
            "status": cause.status.value,
            "reason": _reason(cause),
        }
        if cause.status is Status.DRIFT:
            # What fails beside them later is news.
            entry["checks"] = list(dict.fromkeys(check for cell in cells for check in failed[str(cell)]))
        if cause.links:
            entry["link"] = cause.links[0].url
        entry |= {"until": today + timedelta(days=DAYS), "reviewed": None}
        entries.append(entry)
    return entries


def _reason(cause: Cause) -> str:
    """What goes wrong, since when, and what helps: a paragraph."""
    first = f"{cause.first_reader} as reader" if cause.first_reader else f"{cause.first_writer} as writer"
    again = f", good again in {cause.good_again}" if cause.good_again else ""
    remedy = cause.remedy
    if remedy is not None:
        detail = f" ({remedy.detail})" if remedy.detail else ""
        helps = f"{remedy.name} helps {remedy.cells} of {len(cause.cells)} cells{detail}"
    else:
        helps = "none of those tried helps" if cause.tried else "none was tried"
    return f"{cause.title}. Cause {cause.id}; first bad version: {first}{again}. Remedy: {helps}."


def covering_globs(cells: Iterable[CellId]) -> list[str]:
    """Globs that match these cells and no other cell of the same names, as few as a simple merging finds.

    Readers of one writer are joined, then writers with the same readers, then formats, then scenarios.
    """
    readers: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for cell in cells:
        readers[cell.scenario, cell.format, cell.writer].add(cell.reader)
    by_pair = {key: _joined(found) for key, found in readers.items()}
    writers: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for (scenario, format_id, writer), read in by_pair.items():
        writers[scenario, format_id, read].add(writer)
    pairs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (scenario, format_id, read), wrote in writers.items():
        pairs[scenario, format_id].add(f"{_joined(wrote)}/{read}")
    formats: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (scenario, format_id), found in pairs.items():
        for pair in found:
            formats[scenario, pair].add(format_id)
    scenarios: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (scenario, pair), found in formats.items():
        scenarios[_joined(found), pair].add(scenario)
    return sorted(f"{_joined(names)}/{found}/{pair}" for (found, pair), names in scenarios.items())


def _joined(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ordered[0] if len(ordered) == 1 else "{" + ",".join(ordered) + "}"


def add_entries(path: Path, entries: Iterable[Mapping[str, Any]]) -> int:
    """Appends entries to known_failures.yaml, whose comments stay; returns how many."""
    yaml = YAML()
    yaml.width = WIDTH
    yaml.representer.add_representer(type(None), _represent_null)
    yaml.indent(mapping=2, sequence=4, offset=2)
    document: Any = yaml.load(path.read_text(encoding="utf-8")) if path.exists() else {"schema": 1, "entries": []}
    added = [dict(entry) for entry in entries]
    listed = document.setdefault("entries", [])
    if hasattr(listed, "fa"):
        listed.fa.set_block_style()
    listed.extend(added)
    text = io.StringIO()
    yaml.dump(document, text)
    write_atomically(path, text.getvalue())
    return len(added)


def _represent_null(representer: Any, _value: None) -> Any:
    """`reviewed: null` is seen, and `reviewed:` is taken for a slip."""
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")
