"""What the checks of the format `code` have in common: two trainings of one code, from the same weights.

Each was observed after one step and after many (the section `course`), with what rounding alone may come to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tfmatrix.checks import registry
from tfmatrix.checks.contract import CheckRecord, Kind, Result, error, exception, note, nothing, raised
from tfmatrix.checks.course import Courses
from tfmatrix.checks.observations import Observations
from tfmatrix.core.records import Finding
from tfmatrix.core.status import CheckStatus
from tfmatrix.worker.remedies import COMPUTED

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
    "one-sided": note(
        lambda _subject, figures: (
            f"not compared: {', '.join(figures['paths'])}, a variable in the {figures['side']}'s version alone"
        )
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
    for side, left in (("writer", observations.matching.missing), ("reader", observations.matching.extra)):
        if left:
            notes.append(Finding(code="one-sided", figures={"side": side, "paths": [each.path for each in left]}))
    return notes + ([Finding(code="unmeasured")] if found["last"].noise is None else [])


MODEL = ("forward", "gradients", "updates")
"""Checks of what the model itself computes: what it reports and learns follows from it."""


def attribute_training(found: Mapping[str, CheckRecord]) -> dict[str, Any]:
    """Where two trainings of one code part, as the record's `attribution`.

    `training` has `by`, of "default", "arithmetic", "numerics", "randomness" and "interface", and `first`, the check
    and subject of what parts first. Arithmetic: the same configuration computes something else. Numerics: all that one
    step computes agrees, and rounding that grows explains the rest. Nothing went through a file.
    """
    failed = {name: [each for each in check["findings"] if _fails(name, each)] for name, check in found.items()}
    by: dict[str, tuple[str, Mapping[str, Any]]] = {}

    def blame(share: str, name: str) -> None:
        if failed.get(name):
            by.setdefault(share, (name, failed[name][0]))

    blame("default", "defaults")
    for name in MODEL:
        blame("arithmetic", name)
    if not by:
        # Values that follow from nothing else; names are no arithmetic.
        for each in failed.get("metrics", []):
            if each["code"] in ("source", "value"):
                by.setdefault("arithmetic", ("metrics", each))
    for each in failed.get("learning", []):
        if each["code"] == "drawn":
            by.setdefault("randomness", ("learning", each))
    blame("randomness", "initializers")
    if not by:
        blame("numerics", "learning")
    blame("interface", "signatures")
    if any(each["code"] in ("renamed", "missing", "new") for each in failed.get("metrics", [])):
        blame("interface", "metrics")
    name, first = next(iter(by.values()), ("", {}))
    return {
        "serialization": None,
        "numerics": {"found": "numerics" in by, "checks": ["learning"] if "numerics" in by else []},
        "training": {"by": list(by), "first": {"check": name, "subject": str(first.get("subject") or "")}},
        "sentence": "; ".join(f"{_SHARES[share]}: {_said(*blamed)}" for share, blamed in by.items()) or "cannot tell",
    }


Switch = Mapping[str, Any]
"""What came of a 2 x 2 design: see `booked`."""


def booked(
    name: str,
    failed: Collection[str],
    *,
    both: Mapping[str, CheckRecord],
    old: Mapping[str, CheckRecord],
    new: Mapping[str, CheckRecord],
) -> dict[str, Any]:
    """Whether what differs between two versions is the version's, or that of a switch which both have.

    Checks by name: `both` of writer and reader with the switch turned on either side, `old` of the writer with it
    against the writer without, `new` of the reader likewise. Gives `to`, of "switch", "version" and "both"; `gone` and
    `left`, the checks of what is computed that hold with the switch turned and that do not; `changes_old` and
    `changes_new`, whether turning it changes anything there.
    """
    computed = [check for check in COMPUTED if check in failed]
    gone = [check for check in computed if (both.get(check) or {}).get("status") == "pass"]
    left = [check for check in computed if check not in gone]
    return {
        "name": name,
        "to": "version" if not gone else "both" if left else "switch",
        "gone": gone,
        "left": left,
        "changes_old": _changes(old),
        "changes_new": _changes(new),
    }


def _changes(found: Mapping[str, CheckRecord]) -> bool:
    return any(found[name]["status"] == "fail" for name in COMPUTED if name in found)


def with_switches(attribution: Mapping[str, Any] | None, switches: Sequence[Switch]) -> Mapping[str, Any] | None:
    """An attribution with what 2 x 2 designs came to: `training.switches`, and `switch` in `training.by`."""
    if attribution is None or not switches:
        return attribution
    training = attribution["training"]
    by, said = list(training["by"]), [str(attribution["sentence"])]
    if any(each["to"] == "switch" for each in switches):
        # All that the same configuration computes otherwise goes with it.
        by = ["switch", *(each for each in by if each not in ("arithmetic", "numerics"))]
    elif any(each["to"] == "both" for each in switches):
        by.append("switch")
    said += [_booking(each) for each in switches if each["to"] != "version"]
    if not any(each["to"] == "switch" for each in switches):
        there = ", ".join(f"`{each['name']}`" for each in switches if each["to"] == "version")
        said += [f"with {there} on both sides it is there as well: the upgrade"] if there else []
    return {
        **attribution,
        "training": {**training, "by": by, "switches": [dict(each) for each in switches]},
        "sentence": "; ".join(said),
    }


def _booking(switch: Switch) -> str:
    where = f"with `{switch['name']}` on both sides"
    if switch["to"] == "both":
        gone, left = (", ".join(switch[key]) for key in ("gone", "left"))
        return f"{where} {gone} hold, {left} do not: that switch, and the upgrade"
    sides = [side for side, key in (("old", "changes_old"), ("new", "changes_new")) if switch[key]]
    changes = f", which changes what the {' and the '.join(sides)} version computes" if sides else ""
    return f"{where} it is gone: that switch{changes}"


_SHARES = {
    "default": "a default changed",
    "arithmetic": "the same configuration computes something else",
    "numerics": "rounding that grows from step to step",
    "randomness": "random numbers",
    "interface": "what the model is called from outside",
}


def _said(name: str, finding: Mapping[str, Any]) -> str:
    return registry.checks()[name].sentence(Finding.from_json(finding))


def _fails(name: str, finding: Mapping[str, Any]) -> bool:
    kinds = registry.checks()[name].kinds
    return kinds[finding["code"]].status in (CheckStatus.FAIL, CheckStatus.ERROR)


def figures_of(found: Mapping[str, Courses]) -> dict[str, Any]:
    """How many steps were compared."""
    return {"steps": steps(found["last"])}
