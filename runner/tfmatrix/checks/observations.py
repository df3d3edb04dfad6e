"""The two observations that a check compares, and what it needs beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from tfmatrix.checks.matching import Matching, match
from tfmatrix.checks.observation import Observation
from tfmatrix.checks.tolerance import Tolerance


def derived(_check: str) -> Tolerance:
    """The derived tolerance for every check."""
    return Tolerance()


@dataclass(frozen=True, kw_only=True)
class Observations:
    """Two observations, and what checks need beside them.

    `tolerance_for` is asked by a check's name. `same_keras` says whether both sides run the same version of Keras; see
    `tfmatrix.checks.presentation` for what follows from it.
    """

    writer: Observation
    reader: Observation
    tolerance_for: Callable[[str], Tolerance] = derived
    same_keras: bool = True

    @cached_property
    def matching(self) -> Matching:
        """Which variable is which."""
        return match(self.writer, self.reader)

    @cached_property
    def reader_paths(self) -> Mapping[str, str]:
        """What the reader calls each variable of the writer's that it has."""
        return {pair.writer.entry["path"]: pair.reader.entry["path"] for pair in self.matching.pairs}
