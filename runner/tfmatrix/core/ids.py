"""Ids: of environments (one pattern) and of cells (`scenario/format/writer/reader`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]*")


@dataclass(frozen=True, kw_only=True, order=True)
class CellId:
    """`scenario/format/writer/reader`: the name of a cell everywhere, and what globs select."""

    scenario: str
    format: str
    writer: str
    reader: str

    def __str__(self) -> str:
        return f"{self.scenario}/{self.format}/{self.writer}/{self.reader}"

    @classmethod
    def parse(cls, text: str) -> CellId:
        """The inverse of str(); raises ValueError where the text has not four parts."""
        parts = text.split("/")
        if len(parts) != 4:
            raise ValueError(f"not a cell id (scenario/format/writer/reader): {text!r}")
        return cls(scenario=parts[0], format=parts[1], writer=parts[2], reader=parts[3])
