"""`render`: a run in one of the report's formats. It reads nothing but the run: same run, same bytes."""

from __future__ import annotations

import os
import shutil
from typing import Any, TextIO, assert_never

from tfmatrix.core.answer_formats import ReportFormat
from tfmatrix.core.errors import UsageError
from tfmatrix.store.runs import Run, strict_json

JSON_SCHEMA = 1
"""Version of the json report."""

DEFAULT_WIDTH = 100
CSV_TEXT_LIMIT = 1000


def render(
    run: Run,
    fmt: ReportFormat | str = ReportFormat.TABLE,
    *,
    detail: bool = True,
    width: int = DEFAULT_WIDTH,
    colour: bool = False,
) -> str:
    """The report of a run as text.

    - `table`: plain text within `width` columns; `colour` lays ANSI colours over it;
    - `md`: GitHub Flavored Markdown;
    - `csv`: one row per cell, the columns of `tfmatrix.reports.export.frame.load_run`, as RFC 4180 has it (lines end in
      CRLF); texts are put on one line and cut at 1000 characters;
    - `json`: `{"schema": 1, "run": run.json, "cells": [records]}`, complete and sorted by cell id.

    Without `detail`, `table` and `md` leave the scenarios out. Raises UsageError where `fmt` is none of these.
    """
    try:
        chosen = ReportFormat(fmt)
    except ValueError:
        choices = ", ".join(ReportFormat)
        raise UsageError(f"unknown report format {str(fmt)!r}", expected=f"one of {choices}") from None
    match chosen:
        case ReportFormat.TABLE:
            from tfmatrix.reports import run_report, terminal

            return terminal.render(run_report.build(run, detail=detail), width=width, colour=colour)
        case ReportFormat.MD:
            from tfmatrix.reports import markdown, run_report

            return markdown.render(run_report.build(run, detail=detail))
        case ReportFormat.CSV:
            return _csv(run)
        case ReportFormat.JSON:
            return _json(run)
        case _:
            assert_never(chosen)


def write(run: Run, fmt: ReportFormat | str, stream: TextIO, *, detail: bool = True) -> None:
    """Renders for a stream: in its width and with colour where it is a terminal, plain everywhere else.

    Characters that the stream cannot encode are written as escapes.
    """
    terminal = stream.isatty()
    text = render(
        run,
        fmt,
        detail=detail,
        width=shutil.get_terminal_size((DEFAULT_WIDTH, 24)).columns if terminal else DEFAULT_WIDTH,
        # https://no-color.org: any value but the empty one.
        colour=terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
    )
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))


def _csv(run: Run) -> str:
    from tfmatrix.reports.export.frame import to_frame

    frame = to_frame(run.records)
    for name in frame.columns[frame.dtypes == "object"]:
        frame[name] = frame[name].map(_csv_text, na_action="ignore")
    text: str = frame.to_csv(index=False, lineterminator="\r\n")
    return text


def _csv_text(value: Any) -> Any:
    from tfmatrix.core.text import one_line

    return one_line(value, CSV_TEXT_LIMIT) if isinstance(value, str) else value


def _json(run: Run) -> str:
    # A line per cell, so that two reports can be compared by line.
    cells = ",\n".join(strict_json(record.to_json()) for record in run.records)
    return f'{{"schema": {JSON_SCHEMA},\n"run": {strict_json(dict(run.header))},\n"cells": [\n{cells}\n]}}\n'
