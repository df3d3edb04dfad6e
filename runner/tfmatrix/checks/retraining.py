"""What the checks of the format `code` have in common: two trainings of one code, from the same weights.

Each was observed after one step and after many (the section `course`), with what rounding alone may come to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.checks.contract import Kind, Result, error, exception, note, nothing, raised
from tfmatrix.checks.course import Courses
from tfmatrix.checks.observations import Observations
from tfmatrix.core.records import Finding

SECTION = "course"

PARTS = ("first", "last")
"""After one step, and after all."""

KINDS: Mapping[str, Kind] = {
    "step-raises": error(
        "training raises", lambda _subject, figures: f"training raises {raised(figures)}: it does not in the writer"
    ),
    "writer-cannot": nothing(lambda _subject, figures: f"the writer itself cannot train: {raised(figures)}"),
    "unmeasured": note(
        lambda _subject, _figures: "weights after the steps are not judged: what rounding comes to was not measured"
    ),
    "silent": note(
        lambda _subject, figures: (
            f"compared without what {', '.join(figures['layers'])} draw: another version draws other numbers"
        )
    ),
}
"""Findings of every check of a training."""


def obstacle(observations: Observations) -> Result | None:
    """Why two trainings cannot be compared; None where they can."""
    ours, theirs = observations.writer.section(SECTION), observations.reader.section(SECTION)
    for part in PARTS:
        if ours[part]["error"]:
            return Result(findings=[Finding(code="writer-cannot", figures=exception(ours[part]["error"]))])
        if theirs[part]["error"]:
            return Result(findings=[Finding(code="step-raises", figures=exception(theirs[part]["error"]))])
    return None


def courses(observations: Observations, check: str) -> dict[str, Courses]:
    """The two trainings after one step and after all."""
    writer, reader = observations.writer, observations.reader
    return {
        part: Courses(
            writer=writer,
            ours=writer.section(SECTION)[part],
            reader=reader,
            theirs=reader.section(SECTION)[part],
            pairs=observations.matching.pairs,
            tolerance=observations.tolerance_for(check),
        )
        for part in PARTS
    }


def steps(course: Courses) -> int:
    """How many steps it took."""
    return len(course.ours["losses"])


def notes(observations: Observations, found: Mapping[str, Courses]) -> list[Finding]:
    """What was left out of the comparison."""
    silent = observations.writer.section(SECTION)["silent"]
    notes = [Finding(code="silent", figures={"layers": list(silent)})] if silent else []
    return notes + ([Finding(code="unmeasured")] if found["last"].noise is None else [])


def figures_of(found: Mapping[str, Courses]) -> dict[str, Any]:
    """How many steps were compared."""
    return {"steps": steps(found["last"])}
