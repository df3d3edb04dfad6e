"""The form of what a job says, held before anything else looks at it: no path, and nothing without bounds.

A job's own process writes its result, and a model is a program: whatever it says may be a lie, but it must have the
form of an answer. What has not is refused as a finding about that job.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tfmatrix.checks.observation_schema import first_problem

_Name = Annotated[str, Field(max_length=200)]
_Text = Annotated[str, Field(max_length=100_000)]
_Seconds = Annotated[float, Field(ge=0, le=1e7)]


class RefusedError(Exception):
    """What a job left or said cannot be taken over; the message is the reason, as a sentence without a full stop."""


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


class Raised(_Form):
    """An exception of the code under test."""

    type: _Name
    message: _Text
    traceback: _Text


class Warned(_Form):
    """One thing that was said, and how often."""

    phase: _Name
    channel: _Name
    category: _Name
    message: _Text
    count: Annotated[int, Field(ge=1, lt=2**48)]


class Reply(_Form):
    """A job's result. `artifact` and `observation` say only that it left one, where every job leaves it.

    `executed`: whether code that was planted in what it loaded ran meanwhile.
    """

    status: Literal["ok", "error", "unsupported", "internal-error"]
    phase: _Name | None
    reason: _Text | None
    error: Raised | None
    artifact: bool
    observation: bool
    executed: bool | None = None
    warnings: Annotated[list[Warned], Field(max_length=10_000)]
    seconds: Annotated[dict[_Name, _Seconds], Field(max_length=200)]


def read_reply(result: Any) -> Reply:
    """The result of a job, or RefusedError with what is wrong with it."""
    try:
        reply = Reply.model_validate(result)
    except ValidationError as error:
        raise RefusedError(f"the job's result is none: {first_problem(error)}") from None
    if reply.status in ("error", "internal-error") and reply.error is None:
        raise RefusedError("the job's result is none: an error without an exception")
    return reply
