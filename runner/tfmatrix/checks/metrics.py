"""Check `metrics`: what `fit` and `evaluate` report is what they reported: the names, and the value of each.

What monitors `val_size_mae` finds nothing where the name changed, and stops or saves by something else where the
value belongs to another output.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.checks.contract import Kind, Result, loss, text
from tfmatrix.checks.course import Courses
from tfmatrix.checks.observations import Observations
from tfmatrix.checks.retraining import KINDS, SECTION, courses, figures_of, obstacle
from tfmatrix.core.records import Finding

__all__ = ["ASPECT", "EXPLAINED_BY", "FINDINGS", "NAME", "ORDER", "SAID_WHERE_PROMISED", "SECTION", "TOLERANCE"]

NAME = "metrics"
ORDER = 150
TOLERANCE = True
SAID_WHERE_PROMISED = True
ASPECT = "reported metrics"
EXPLAINED_BY = ("defaults", "forward", "gradients", "updates")

_WHERE = {"fit": "`fit` reports", "before": "`evaluate` before training reports", "after": "`evaluate` reports"}


def _value(subject: str, figures: Mapping[str, Any]) -> str:
    before, after = (_shown(figures[key]) for key in ("before", "after"))
    alone = "; losses and outputs are the writer's: the metric sees something else" if figures["alone"] else ""
    other = f"; the writer's {figures['is']!r} has that value" if figures.get("is") else ""
    return f"{_WHERE[figures['where']]} {after} as {subject!r}, in the writer {before}{other}{alone}"


def _shown(value: Any) -> str:
    return text(value) if isinstance(value, float | int | str) else str(value)


_NAMES = "metrics have other names"

FINDINGS: Mapping[str, Kind] = {
    **KINDS,
    "renamed": loss(
        _NAMES,
        lambda subject, figures: (
            f"metric {subject!r} is called {figures['after']!r} now: what monitors it finds nothing"
        ),
    ),
    "missing": loss(_NAMES, lambda subject, _figures: f"metric {subject!r} is not reported any more"),
    "new": loss(_NAMES, lambda subject, _figures: f"metric {subject!r} is reported, but was not by the writer"),
    "value": loss("a metric has another value", _value),
    "source": loss("a metric is of something else than its output", _value),
}


def compare(observations: Observations) -> Result:
    """Figures: the names that are reported on both sides."""
    found = obstacle(observations)
    if found is not None:
        return found
    both = courses(observations, NAME)
    findings: dict[tuple[str, str], Finding] = {}
    last = both["last"]
    is_alone = not last.losses().beyond and not last.states()["outputs"].figures.beyond
    for where, course in _courses(last, observations):
        for each in _renamed(course, where, is_alone):
            # The first place that shows it is told: what holds before training holds behind it.
            findings.setdefault((each.code, each.subject), each)
    names = {"names": list(last.theirs.get("metrics") or {}), "writer_names": list(last.ours.get("metrics") or {})}
    return Result(findings=list(findings.values()), figures={**figures_of(both), **names})


def _courses(last: Courses, observations: Observations) -> list[tuple[str, Courses]]:
    """What `evaluate` says, as a course of one step, and what `fit` does."""
    sides = [each.section(SECTION)["evaluated"] for each in (observations.writer, observations.reader)]
    found = []
    for where in ("before", "after"):
        ours, theirs = ({name: [value] for name, value in each[where].items() if name != "loss"} for each in sides)
        noise = (last.noise or {}).get("metrics") or {}
        found.append((where, _evaluated(last, ours, theirs, {"metrics": {} if where == "before" else noise})))
    return [found[0], ("fit", last), found[1]]


def _evaluated(last: Courses, ours: Any, theirs: Any, noise: Any) -> Courses:
    return Courses(
        writer=last.writer,
        ours={"losses": [], "metrics": ours, "noise": noise},
        reader=last.reader,
        theirs={"losses": [], "metrics": theirs},
        pairs=(),
        tolerance=last.tolerance,
    )


def _renamed(course: Courses, where: str, is_alone: bool) -> list[Finding]:
    """The findings of a course in the words of this check. `is_alone`: losses and outputs are the writer's."""
    codes = {"metric-renamed": "renamed", "metric-missing": "missing", "metric-new": "new", "metric": "value"}
    found = []
    for each in course.metrics():
        figures: dict[str, Any] = dict(each.figures)
        code = codes[each.code]
        if code == "value":
            figures |= {"where": where, "is": _whose(course, each.subject), "alone": is_alone}
            code = "source" if is_alone else "value"
        found.append(Finding(code=code, subject=each.subject, figures=figures))
    return found


def _whose(course: Courses, name: str) -> str:
    """The writer's metric that has the value which `name` has here; empty where none, or several."""
    value = course.theirs["metrics"][name]
    same = [
        other
        for other, theirs in course.ours["metrics"].items()
        if other != name and course.is_near(f"metrics/{other}", theirs, value)
    ]
    return same[0] if len(same) == 1 else ""
