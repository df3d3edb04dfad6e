"""What a save or a load came to: from a worker's events to the data that the store keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from pydantic import TypeAdapter

INFRA = "infra"
"""The outcome says nothing about the model: a worker was lost, or tfmatrix itself failed. Never stored."""

REFUSED = "RefusedResult"
"""Type of the error of a job whose result or files could not be taken over. Not stored either: it is cheap to redo."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one job came to.

    `status` is ok, error (an exception of the code under test), unsupported, crash, timeout, memory, or infra. `phase`
    is where it ended, `error` the exception (type, message, traceback). `artifact` holds digest, bytes, name and kind
    of what a save wrote; `observation` the digest of the observation's folder, of a process that ended what it had
    observed until then. `ended` is how the child ended where it did not return a result. Seconds by phase are wall time
    in the child. `flaky`: a second try came to something else.
    `executed`: whether code that was planted in the artifact ran while it was loaded; None where none was planted.
    """

    status: str
    phase: str | None = None
    reason: str | None = None
    error: Mapping[str, Any] | None = None
    warnings: tuple[Mapping[str, Any], ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    artifact: Mapping[str, Any] | None = None
    observation: str | None = None
    ended: Mapping[str, Any] | None = None
    flaky: bool = False
    executed: bool | None = None

    @property
    def is_lasting(self) -> bool:
        """Whether it may be stored: it says something about the model, and will be the same tomorrow."""
        return self.status != INFRA and (self.error or {}).get("type") != REFUSED

    @property
    def is_planted(self) -> bool:
        """Whether code was planted in the artifact: then nothing else is asked of the load but whether that ran."""
        return self.executed is not None

    @property
    def total_seconds(self) -> float:
        """Wall time of all phases; of the child, where it died."""
        if self.ended is not None:
            return float(self.ended["seconds"])
        return sum(self.seconds.values())

    def to_json(self) -> dict[str, Any]:
        """A dict of JSON types."""
        shallow = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**shallow, "warnings": [dict(warning) for warning in self.warnings]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Outcome:
        """The inverse of to_json(). Raises ValueError for what no outcome is."""
        outcome = _form().validate_python(dict(data))
        if outcome.artifact is not None and not all(
            isinstance(outcome.artifact.get(key), str) for key in ("digest", "name", "kind")
        ):
            raise ValueError("an artifact without digest, name and kind")
        return outcome

    @classmethod
    def infra(cls, reason: str, log: str = "") -> Outcome:
        """An outcome that says only that tfmatrix could not measure."""
        return cls(
            status=INFRA, reason=reason, error={"type": "InfrastructureError", "message": reason, "traceback": log}
        )

    @classmethod
    def refused(cls, phase: str, reason: str) -> Outcome:
        """The outcome of a job that left, or said, what nobody takes over."""
        return cls(status="error", phase=phase, error={"type": REFUSED, "message": reason, "traceback": ""})

    @classmethod
    def of_death(cls, ended: Mapping[str, Any], phase: str) -> Outcome:
        """The outcome of the job during which a child ended: `ended` is the worker's last event."""
        reason = ended["reason"]
        if reason == "protocol":
            return cls.refused(phase, f"the job's process does not keep to the protocol: {ended['detail']}")
        if reason == "timeout":
            sentence = "over its time limit"
        elif reason == "memory":
            sentence = f"over its memory limit (peak {ended['peak_bytes'] / 2**20:.0f} MiB)"
        elif reason == "disk":
            sentence = "over its limit of files: it wrote more than one job may"
        elif ended["signal"]:
            sentence = f"killed by {ended['signal']}"
        else:
            sentence = f"the process ended (exit code {ended['exit_code']}) before the job returned"
        status = reason if reason in ("timeout", "memory") else "crash"
        kind = ended["signal"] or status if reason != "disk" else "disk"
        error = {"type": kind, "message": sentence, "traceback": ended["output"]}
        return cls(status=status, reason=sentence, error=error, ended=dict(ended))


@cache
def _form() -> TypeAdapter[Outcome]:
    return TypeAdapter(Outcome)
