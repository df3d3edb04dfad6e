"""Check `load`: the loader returned without an exception."""

from __future__ import annotations

from tfmatrix.checks.contract import Jobs, Result, error, loss, note
from tfmatrix.core.records import Finding

NAME = "load"
SECTION = None
ORDER = 0

FINDINGS = {
    "raised": loss("the loader raises", lambda _subject, figures: f"{figures['type']}: {figures['message']}"),
    "runtime": note(
        lambda _subject, figures: (
            f"the file says that it needs the interpreter of TensorFlow {figures['least']} or newer"
        )
    ),
    "ended": error("loading does not return", lambda _subject, figures: f"{figures['type']}: {figures['message']}"),
}


def compare(jobs: Jobs) -> Result:
    """No figures. A process that ended is told apart from a loader that raised."""
    load = jobs.load
    least = (jobs.save.artifact or {}).get("runtime")
    said = [Finding(code="runtime", figures={"least": least})] if least else []
    # What was observed of the model was loaded before the process ended.
    if load.status == "ok" or load.observation is not None:
        return Result(findings=said)
    found = load.error or {}
    figures = {
        "type": str(found.get("type") or load.status),
        "message": str(found.get("message") or load.reason or ""),
    }
    code = "ended" if load.status in ("crash", "memory", "timeout") else "raised"
    return Result(findings=[Finding(code=code, figures=figures), *said])
