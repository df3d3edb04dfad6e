"""The form of run.json and of a record: the types of what reports read, held before anything reads it.

A folder of a run is a file that somebody sent, as often as not: one that was damaged or written by hand is one error,
and not the first place of a report that trips over it. Fields may be missing, and fields of newer versions stay.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Required

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

_OPEN = ConfigDict(strict=True, extra="allow")
_Texts = list[str]


@with_config(_OPEN)
class _Finding(TypedDict, total=False):
    code: Required[str]
    subject: str | None
    figures: dict[str, Any] | None


@with_config(_OPEN)
class _Check(TypedDict, total=False):
    status: str
    findings: list[_Finding] | None


@with_config(_OPEN)
class _Warning(TypedDict, total=False):
    phase: str
    channel: str
    category: str
    message: str
    fingerprint: str
    count: int


@with_config(_OPEN)
class _Side(TypedDict, total=False):
    status: str
    warnings: list[_Warning] | None
    seconds: dict[str, float] | float | None  # by phase, or of the whole where the job did not come to its end


@with_config(_OPEN)
class _Error(TypedDict, total=False):
    phase: str | None
    type: str | None
    message: str | None
    traceback: str | None


@with_config(_OPEN)
class _Remedy(TypedDict, total=False):
    name: str
    status: str
    held: _Texts | None
    missing: _Texts | None
    detail: str | None
    seconds: float | None


@with_config(_OPEN)
class _Artifact(TypedDict, total=False):
    digest: str
    bytes: int
    kind: str
    name: str


@with_config(_OPEN)
class _Inferred(TypedDict, total=False):
    by: str


@with_config(_OPEN)
class _Record(TypedDict, total=False):
    run: str
    cell: str
    scenario: str
    format: str
    writer: str
    reader: str
    status: str
    known: bool
    fixed: bool
    flaky: bool
    promised: bool
    failed_checks: _Texts
    checks: dict[str, _Check]
    save: _Side
    load: _Side
    error: _Error | None
    remedies: list[_Remedy]
    remedy: str | None
    attribution: dict[str, Any] | None
    artifact: _Artifact | None
    key: str
    cached: bool
    seconds: float
    inferred: _Inferred | None


@with_config(_OPEN)
class _Executor(TypedDict, total=False):
    name: str
    reason: str


@with_config(_OPEN)
class _Environment(TypedDict, total=False):
    base: dict[str, Any] | None
    python: str | None
    tensorflow: str | None
    keras: str | None
    packages: dict[str, str] | None
    env: dict[str, str] | None
    lock: str | None


@with_config(_OPEN)
class _Scenario(TypedDict, total=False):
    title: str
    description: str
    tags: _Texts
    digest: str


@with_config(_OPEN)
class _Known(TypedDict, total=False):
    cells: _Texts
    status: _Texts
    reason: str
    link: str | None
    until: str | None


@with_config(_OPEN)
class _Shard(TypedDict, total=False):
    group: str
    number: int
    of: int


@with_config(_OPEN)
class _Header(TypedDict, total=False):
    run: str
    complete: bool
    started: str | None
    finished: str | None
    tfmatrix: str | None
    set: str | None
    phase: str | None
    executor: _Executor | None
    environments: dict[str, _Environment] | None
    scenarios: dict[str, _Scenario] | None
    formats: _Texts | None
    known_failures: list[_Known] | None
    settings: dict[str, Any] | None
    code: dict[str, Any] | None
    slots: int | None
    host: dict[str, Any] | None
    noise: dict[str, dict[str, Any]] | None
    inference: dict[str, Any] | None
    files: dict[str, dict[str, Any]] | None
    counts: dict[str, int]
    shard: _Shard | None
    missing_shards: list[Any] | None
    merged_from: _Texts | None


@cache
def _form(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def problem_in_record(data: Any) -> str:
    """What a record of today's schema has of another type, in one line; empty where there is nothing."""
    return _problem(_Record, data)


def problem_in_header(data: Any) -> str:
    """The same of run.json."""
    return _problem(_Header, data)


def _problem(kind: Any, data: Any) -> str:
    try:
        _form(kind).validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part)[:60] for part in first["loc"][:8])
        return f"`{where}`: {first['msg'][:1].lower()}{first['msg'][1:200]}"
    return ""
