"""known_failures.yaml: the incompatibilities that somebody has looked at, so that only news wakes people.

```yaml
schema: 1
entries:
  - cells: optimizer_state/h5/{2.12.1,2.15.1}/2.16.2     # a glob on cell ids, or a list of them
    status: drift                                        # or a list; the cell is known only with one of these
    checks: [optimizer, resume]                          # optional, of a drift: any other that fails is news
    reason: Keras 3 does not read the optimizer's state from files of Keras 2.
    link: https://github.com/keras-team/keras/issues/NUMBER  # optional
    until: 2026-12-31                                    # optional: a date, or a TensorFlow version in quotes
    reviewed: ada, 2026-11-28                            # optional; null, as `run --accept` writes: by nobody yet
```
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, Field

from tfmatrix.core.globs import CELL_SEGMENTS, GlobSet, compile_glob
from tfmatrix.core.hints import did_you_mean, one_of
from tfmatrix.core.ids import CellId
from tfmatrix.core.records import are_listed
from tfmatrix.core.status import Status
from tfmatrix.project.config.model import StrictModel
from tfmatrix.project.config.validation import validate
from tfmatrix.project.config.values import OneOrMore, Text, is_date, one_or_more_schema, wrong
from tfmatrix.project.config.yamlfile import read_yaml

KNOWN_FAILURES_SCHEMA: Final = 1
"""Version of known_failures.yaml. Raised when a key changes its meaning."""

_STATUSES: Final = tuple(status.value for status in Status if status.is_incompatibility)


@dataclass(frozen=True, kw_only=True)
class KnownFailure:
    """An entry: cells (globs) that are expected to end with one of `status`, and why.

    `checks` are those that are expected to fail of a cell that drifts; where any other does, the cell is news. Without
    any, all are. `until` is an ISO date, the last day the entry counts; or a TensorFlow version, with whose arrival in
    the matrix it ends. `is_reviewed` is False for what a program proposed and nobody has looked at. `line` is where the
    entry stands in its file.
    """

    cells: tuple[str, ...]
    status: tuple[Status, ...]
    reason: str
    checks: tuple[str, ...] = ()
    link: str | None = None
    until: str | None = None
    is_reviewed: bool = True
    line: int = 0

    @cached_property
    def _globs(self) -> GlobSet:
        return GlobSet(self.cells, segments=CELL_SEGMENTS)

    def covers(self, cell: CellId) -> bool:
        """Whether the entry speaks of this cell, whatever its status: one that passes is then `fixed`."""
        return self._globs.matches(str(cell))

    def matches(self, cell: CellId, status: Status, failed_checks: Iterable[str] = ()) -> bool:
        """Whether the cell with this status, and these checks that failed, is known."""
        return status in self.status and self.covers(cell) and are_listed(self.checks, status, failed_checks)

    def to_json(self) -> dict[str, Any]:
        """The entry as run.json holds it: a dict of JSON types, without its line."""
        return {
            "cells": list(self.cells),
            "status": [status.value for status in self.status],
            "reason": self.reason,
            "checks": list(self.checks),
            "link": self.link,
            "until": self.until,
            "reviewed": self.is_reviewed,
        }

    def is_expired(self, today: date, versions: Iterable[str] = ()) -> bool:
        """Whether the entry has ended: it no longer makes a cell known, and wants to be looked at again.

        `versions` are the TensorFlow versions of the matrix; words such as "nightly" never end an entry.
        """
        if self.until is None:
            return False
        if is_date(self.until):
            return today > date.fromisoformat(self.until)
        end = Version(self.until)
        return any(version >= end for version in map(_version, versions) if version is not None)


def expired(entries: Iterable[KnownFailure], today: date, versions: Iterable[str] = ()) -> tuple[KnownFailure, ...]:
    """The entries that have ended by `today`, or by the TensorFlow versions of the matrix."""
    listed = tuple(versions)
    return tuple(entry for entry in entries if entry.is_expired(today, listed))


def load_known_failures(path: Path) -> tuple[KnownFailure, ...]:
    """The entries, in the order of the file; none where there is no file. ConfigError on a mistake."""
    try:
        document = read_yaml(path, nullable=("reviewed",))
    except FileNotFoundError:
        return ()
    file = validate(document, _KnownFailuresFile, version=KNOWN_FAILURES_SCHEMA)
    return tuple(
        KnownFailure(
            cells=entry.cells,
            status=tuple(map(Status, entry.status)),
            reason=entry.reason.strip(),
            checks=entry.checks,
            link=entry.link,
            until=entry.until,
            is_reviewed=entry.is_reviewed,
            line=document.lines["entries", index],
        )
        for index, entry in enumerate(file.entries)
    )


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _cell_glob(value: str) -> str:
    try:
        compile_glob(value, segments=CELL_SEGMENTS)
    except ValueError as error:
        raise wrong(str(error), expected="a glob on cell ids: scenario/format/writer/reader") from None
    return value


def _link(value: str) -> str:
    if value.startswith(("https://", "http://")) and not any(character.isspace() for character in value):
        return value
    raise wrong(f'"{value}" is not a link', expected="an address that begins with https:// or http://")


def _status(value: str) -> str:
    if value in _STATUSES:
        return value
    if value in list(Status):
        raise wrong(f'"{value}" is not an incompatibility', expected=one_of(_STATUSES))
    raise wrong(f'"{value}" is not a status', expected=one_of(_STATUSES), fix=did_you_mean(value, _STATUSES))


def _check(value: str) -> str:
    from tfmatrix.checks.registry import checks  # all of them, for whoever names one

    known = tuple(checks())
    if value in known:
        return value
    raise wrong(f'"{value}" is not a check', expected=one_of(known), fix=did_you_mean(value, known))


def _until(value: str) -> str:
    if is_date(value) or _version(value) is not None:
        return value
    raise wrong(
        f'"{value}" is neither a date nor a version',
        expected='a date such as 2026-12-31, or a TensorFlow version such as "2.22.0"',
    )


class _Entry(StrictModel):
    """One known failure."""

    cells: Annotated[
        tuple[Annotated[str, AfterValidator(_cell_glob)], ...],
        Field(min_length=1),
        OneOrMore,
        one_or_more_schema({"type": "string", "examples": ["optimizer_state/h5/**"]}),
    ]
    status: Annotated[
        tuple[Annotated[str, AfterValidator(_status)], ...],
        Field(min_length=1),
        OneOrMore,
        one_or_more_schema({"enum": list(_STATUSES)}),
    ]
    reason: Text
    checks: Annotated[
        tuple[Annotated[str, AfterValidator(_check)], ...],
        OneOrMore,
        one_or_more_schema({"type": "string", "examples": ["signatures"]}),
    ] = ()
    link: Annotated[str, AfterValidator(_link)] | None = None
    until: Annotated[str, AfterValidator(_until)] | None = None
    reviewed: Text | None = None

    @property
    def is_reviewed(self) -> bool:
        """Whoever writes an entry by hand has reviewed it; `run --accept` writes null."""
        return self.reviewed is not None or "reviewed" not in self.model_fields_set


class _KnownFailuresFile(StrictModel):
    """The file."""

    schema_version: Literal[1] = Field(alias="schema")
    entries: tuple[_Entry, ...]
