"""Proposes entries of known_failures.yaml for a run's unexpected incompatibilities, for somebody to review."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tfmatrix.analysis.causes import find_causes
from tfmatrix.core.ids import CellId
from tfmatrix.store.content import write_atomically
from tfmatrix.store.runs import Run

WIDTH = 120


def proposals(run: Run) -> list[dict[str, Any]]:
    """One entry per cause with unexpected cells: globs that cover just these, status, reason, upstream link."""
    news = {record.cell for record in run.records if record.is_news}
    entries = []
    for cause in find_causes(run):
        cells = [CellId.parse(cell) for cell in cause.cells if cell in news]
        if not cells:
            continue
        entry: dict[str, Any] = {
            "cells": covering_globs(cells),
            "status": cause.status.value,
            "reason": cause.title,
        }
        if cause.links:
            entry["link"] = cause.links[0].url
        entries.append(entry)
    return entries


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
