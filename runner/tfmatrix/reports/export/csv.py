"""One row per cell, the columns of `tfmatrix.load_run`, as RFC 4180 has it: lines end in CRLF.

Texts are put on one line and cut.
"""

from __future__ import annotations

from typing import Any

from tfmatrix.core.text import one_line
from tfmatrix.reports.export.frame import to_frame
from tfmatrix.store.runs import Run

NAME = "csv"

TEXT_LIMIT = 1000


def render(run: Run, *, detail: bool, width: int, colour: bool) -> str:  # noqa: ARG001
    """See `tfmatrix.reports.export`."""
    frame = to_frame(run.records)
    for name in frame.columns[frame.dtypes == "object"]:
        frame[name] = frame[name].map(_text, na_action="ignore")
    text: str = frame.to_csv(index=False, lineterminator="\r\n")
    return text


def _text(value: Any) -> Any:
    return one_line(value, TEXT_LIMIT) if isinstance(value, str) else value
