"""The form of run.json and of a record: the types of what reports read, held before anything reads it.

A folder of a run is a file that somebody sent, as often as not: one that was damaged or written by hand is one error,
and not the first place of a report that trips over it. Fields may be missing, and fields of newer versions stay.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Required

from pydantic import BeforeValidator, ConfigDict, InstanceOf, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

_OPEN = ConfigDict(strict=True, extra="allow")


_Text = InstanceOf[str]
"""Any text: pydantic's own takes no lone surrogates, which a message of a model may hold."""

_Texts = list[_Text]


@with_config(_OPEN)
class _Finding(TypedDict, total=False):
    code: Required[_Text]
    subject: _Text | None
    figures: dict[_Text, Any] | None


@with_config(_OPEN)
class _Check(TypedDict, total=False):
    status: _Text
    findings: list[_Finding] | None


def _without_figures(check: Any) -> Any:
    """A check less its figures, whose names are those of its scenario: any text, also what pydantic takes for none."""
    return {name: check[name] for name in ("status", "findings") if name in check} if isinstance(check, dict) else check


@with_config(_OPEN)
class _Warning(TypedDict, total=False):
    phase: _Text
    channel: _Text
    category: _Text
    message: _Text
    fingerprint: _Text
    count: int


@with_config(_OPEN)
class _Side(TypedDict, total=False):
    status: _Text
    warnings: list[_Warning] | None
    seconds: dict[_Text, float] | float | None  # by phase, or of the whole where the job did not come to its end


@with_config(_OPEN)
class _Error(TypedDict, total=False):
    phase: _Text | None
    type: _Text | None
    message: _Text | None
    traceback: _Text | None


@with_config(_OPEN)
class _Remedy(TypedDict, total=False):
    name: _Text
    status: _Text
    held: _Texts | None
    missing: _Texts | None
    detail: _Text | None
    price: _Text | None
    seconds: float | None


@with_config(_OPEN)
class _Artifact(TypedDict, total=False):
    digest: _Text
    bytes: int
    kind: _Text
    name: _Text


@with_config(_OPEN)
class _Inferred(TypedDict, total=False):
    by: _Text


@with_config(_OPEN)
class _Record(TypedDict, total=False):
    run: _Text
    cell: _Text
    scenario: _Text
    format: _Text
    writer: _Text
    reader: _Text
    status: _Text
    known: bool
    fixed: bool
    flaky: bool
    promised: bool
    failed_checks: _Texts
    checks: dict[_Text, Annotated[_Check, BeforeValidator(_without_figures)]]
    save: _Side
    load: _Side
    error: _Error | None
    remedies: list[_Remedy]
    remedy: _Text | None
    attribution: dict[_Text, Any] | None
    artifact: _Artifact | None
    key: _Text
    cached: bool
    seconds: float
    inferred: _Inferred | None


@with_config(_OPEN)
class _Executor(TypedDict, total=False):
    name: _Text
    reason: _Text


@with_config(_OPEN)
class _Environment(TypedDict, total=False):
    base: dict[_Text, Any] | None
    python: _Text | None
    tensorflow: _Text | None
    keras: _Text | None
    packages: dict[_Text, _Text] | None
    env: dict[_Text, _Text] | None
    lock: _Text | None


@with_config(_OPEN)
class _Scenario(TypedDict, total=False):
    title: _Text
    description: _Text
    tags: _Texts
    digest: _Text


@with_config(_OPEN)
class _FormatInfo(TypedDict, total=False):
    title: _Text
    saver: _Text
    loader: _Text
    policy: _Text


@with_config(_OPEN)
class _Known(TypedDict, total=False):
    cells: _Texts
    checks: _Texts | None
    status: _Texts
    reason: _Text
    link: _Text | None
    until: _Text | None
    reviewed: bool | None


@with_config(_OPEN)
class _Shard(TypedDict, total=False):
    group: _Text
    number: int
    of: int


@with_config(_OPEN)
class _Header(TypedDict, total=False):
    run: _Text
    complete: bool
    started: _Text | None
    finished: _Text | None
    tfmatrix: _Text | None
    set: _Text | None
    phase: _Text | None
    executor: _Executor | None
    environments: dict[_Text, _Environment] | None
    scenarios: dict[_Text, _Scenario] | None
    formats: _Texts | None
    format_info: dict[_Text, _FormatInfo] | None
    known_failures: list[_Known] | None
    settings: dict[_Text, Any] | None
    code: dict[_Text, Any] | None
    slots: int | None
    host: dict[_Text, Any] | None
    noise: dict[_Text, dict[_Text, Any]] | None
    inference: dict[_Text, Any] | None
    files: dict[_Text, dict[_Text, Any]] | None
    counts: dict[_Text, int]
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
        said = "Input should be a valid string" if first["type"] == "is_instance_of" else first["msg"]
        return f"`{where}`: {said[:1].lower()}{said[1:200]}"
    return ""
