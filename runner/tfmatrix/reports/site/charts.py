"""Plots as SVG, made by pygal. Colours come from the site's style sheet, so that they follow light and dark.

What pygal adds beside the picture (a script, a style sheet, the day it was made) is left out: same input, same bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any
from xml.etree import ElementTree as ET

import pygal  # type: ignore[import-untyped]

from tfmatrix.analysis.diff.changes import Outcomes, Past
from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import WORST_FIRST
from tfmatrix.reports.site.grid import Grid
from tfmatrix.reports.site.names import printable, shown

MAX_LINES = 8
"""Lines of a plot that can still be told apart."""

_SVG = "http://www.w3.org/2000/svg"
_COLOUR = re.compile(r"\bcolor-(\d+)\b")


def statuses_over_runs(runs: Sequence[Past]) -> str:
    """Stacked counts of each status, oldest run first; "" for fewer than two runs."""
    if len(runs) < 2:
        return ""
    present = [status for status in reversed(WORST_FIRST) if any(run.counts.get(status.value) for run in runs)]
    chart = pygal.StackedBar(**_options([_day(run) for run in runs], "cells"))
    for status in present:
        chart.add(status.value, [run.counts.get(status.value, 0) for run in runs])
    return _svg(chart, "Cells by status, run by run", [f"chart-{status.value}" for status in present])


def drift_over_runs(runs: Sequence[Past], scenario: str | None = None) -> str:
    """The largest difference of the outputs of the cells that drifted most, run by run; "" where none did."""
    if len(runs) < 2:
        return ""
    largest: dict[str, float] = {}
    for run in runs:
        for cell, outcome in Outcomes.of(run.outcomes).where(lambda outcome: (outcome.difference or 0) > 0, scenario):
            largest[cell] = max(largest.get(cell, 0.0), _plotted(outcome.difference) or 0.0)
    chosen = sorted(largest, key=lambda cell: (-largest[cell], cell))[:MAX_LINES]
    if not chosen:
        return ""
    series = {
        cell: [_plotted(run.outcomes[cell].difference) if cell in run.outcomes else None for run in runs]
        for cell in chosen
    }
    return _lines(series, [_day(run) for run in runs], "Largest absolute difference of the outputs, run by run")


def drift_over_versions(grid: Grid, scenario: str | None = None) -> str:
    """The largest difference of the outputs by reader, a line for each writer that drifts most; "" for one reader."""
    from tfmatrix.analysis.records import delta

    lines: dict[str, dict[str, float]] = {}
    drifts = chain.from_iterable(grid.drifts.values()) if scenario is None else grid.drifts.get(scenario, ())
    for record in drifts:
        difference = _plotted(delta(record))
        if difference is not None:
            name = f"{record.format} of {record.writer}"
            lines.setdefault(name, {})
            lines[name][record.reader] = max(lines[name].get(record.reader, 0.0), difference)
    chosen = sorted(lines, key=lambda name: (-max(lines[name].values()), name))[:MAX_LINES]
    if not chosen:
        return ""
    readers = [reader for reader in grid.environments if any(reader in lines[name] for name in chosen)]
    if len(readers) < 2:
        return ""
    series = {name: [lines[name].get(reader) for reader in readers] for name in sorted(chosen)}
    return _lines(series, readers, "Largest absolute difference of the outputs, by reader")


def courses(record: CellRecord) -> str:
    """The loss by step of a cell whose code was trained anew, with the band that rounding may come to; "" without."""
    check = record.checks.get("learning") or {}
    ours, theirs = (_numbers(check.get(name)) for name in ("writer_losses", "losses"))
    if len(ours) < 2 or len(ours) != len(theirs):
        return ""
    noise = _numbers([check.get("noise")])[0] or 0.0
    lines = {record.writer: ours, record.reader: theirs}
    if noise:
        lines |= {
            "rounding may come to": [None if each is None else each + noise for each in ours],
            "and to": [None if each is None else each - noise for each in ours],
        }
    title = f"{record.scenario}: loss by step"
    chart = pygal.Line(**{**_options([str(step + 1) for step in range(len(ours))], "loss"), "title": shown(title)})
    for name, values in lines.items():
        chart.add(shown(name), values)
    return _svg(chart, title, [f"chart-line-{place}" for place in range(len(lines))])


def _numbers(values: object) -> list[float | None]:
    """Numbers that a plot can show; what is none leaves a gap."""
    listed = values if isinstance(values, list) else []
    return [float(each) if isinstance(each, int | float) and math.isfinite(each) else None for each in listed]


def _lines(series: Mapping[str, Sequence[float | None]], labels: Sequence[str], title: str) -> str:
    chart = pygal.Line(
        **_options(labels, "largest absolute difference"),
        logarithmic=True,
        value_formatter=lambda value: "" if value is None else f"{value:.3g}",
        dots_size=4,
    )
    for name, values in series.items():
        chart.add(shown(name), list(values))
    return _svg(chart, title, [f"chart-line-{place}" for place in range(len(series))])


def _plotted(difference: float | None) -> float | None:
    """A figure that a logarithmic axis can show."""
    return difference if difference is not None and math.isfinite(difference) and difference > 0 else None


def _day(run: Past) -> str:
    return shown(run.started[:16].replace("T", " ") or run.id)


def _options(labels: Sequence[str], y_title: str) -> dict[str, Any]:
    return {
        "css": [],
        "js": [],
        "no_prefix": True,
        "disable_xml_declaration": True,
        "width": 1100,
        "height": 380,
        "margin": 12,
        "x_labels": [shown(label) for label in labels],
        "x_label_rotation": 90 if len(labels) > 20 else 30 if len(labels) > 4 else 0,
        "margin_right": 70,
        "y_title": y_title,
        "truncate_legend": 60,
        "truncate_label": 40,
        "legend_at_bottom": True,
        "legend_at_bottom_columns": 2,
    }


def _svg(chart: Any, title: str, classes: Sequence[str]) -> str:
    # Not render_tree: its elements are lxml's or Python's own, as it happens to be installed.
    tree = ET.fromstring(chart.render())
    for parent in list(tree.iter()):
        for element in list(parent):
            # A comment's tag is a function. What is shown on hovering needs pygal's script, which is left out.
            if (
                not isinstance(element.tag, str)
                or element.tag.endswith(("defs", "title", "desc"))
                or _is_tooltip(element)
            ):
                parent.remove(element)
    for element in tree.iter():
        if isinstance(element.tag, str):
            _recolour(element, classes)
            for text in ("text", "tail"):
                value = getattr(element, text)
                if value:
                    setattr(element, text, printable(value))
    tree.attrib.pop("id", None)
    tree.attrib |= {"role": "img", "aria-label": title, "class": "chart"}
    ET.register_namespace("", _SVG)
    return ET.tostring(tree, encoding="unicode")


def _is_tooltip(element: Any) -> bool:
    return bool({"tooltip", "text-overlay", "tooltip-overlay"} & set(element.get("class", "").split()))


def _recolour(element: Any, classes: Sequence[str]) -> None:
    """Names what pygal numbers, so that the style sheet knows a status from another."""
    given = element.get("class", "")
    found = _COLOUR.search(given)
    if found and int(found[1]) < len(classes):
        element.set("class", f"{given} {classes[int(found[1])]}")
