"""Check `gradients`: those of the first step are the writer's, variable by variable, before an optimizer sees them.

Rounding errors of a gradient are as large as those of the terms that it is a sum of: the largest gradient of the model
says how large these are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfmatrix.checks.contract import Kind, Result, loss, text
from tfmatrix.checks.distance import number
from tfmatrix.checks.observations import Observations
from tfmatrix.checks.presentation import owned_by, owner_of
from tfmatrix.checks.tensors import compared
from tfmatrix.checks.tolerance import resume_units
from tfmatrix.core.records import Finding

NAME = "gradients"
SECTION = "gradients"
ORDER = 130
TOLERANCE = True
SAID_WHERE_PROMISED = True
ASPECT = "gradients of the first step"
EXPLAINED_BY = ("defaults", "forward")


def _differs(subject: str, figures: Mapping[str, Any]) -> str:
    share = f", {text(figures['ratio'])} times the writer's" if figures.get("ratio") is not None else ""
    return (
        f"the gradient of {subject} is another one, by up to {text(figures['max_abs'])}{share}; so are those of "
        f"{figures['differing']} of {figures['variables']} variables"
    )


def _loss(_subject: str, figures: Mapping[str, Any]) -> str:
    return f"the loss that is differentiated is {text(figures['after'])}, in the writer {text(figures['before'])}"


FINDINGS: Mapping[str, Kind] = {
    "loss": loss("the loss of the first step is another one", _loss),
    "gradient": loss("gradients differ", _differs),
    "none": loss("a variable has no gradient", lambda subject, _figures: f"{subject} has no gradient any more"),
}


def losses(findings: Sequence[Finding], _figures: Mapping[str, Any]) -> list[str]:
    """What differs, by the class of the layer."""
    words = {"gradient": "the gradient of {} differs", "none": "{} has no gradient", "loss": FINDINGS["loss"].loss}
    return list(dict.fromkeys(words[each.code].format(owned_by(each)) for each in findings))


def compare(observations: Observations) -> Result:
    """Figures: `variables` compared, how many differ, the largest difference, and both losses."""
    writer, reader = observations.writer, observations.reader
    ours, theirs = writer.section(SECTION), reader.section(SECTION)
    names = observations.reader_paths
    others = {each["path"]: each for each in theirs["variables"]}
    scale = max((float(each["scale"]) for each in ours["variables"]), default=0.0)
    tolerance = observations.tolerance_for(NAME)
    findings: list[Finding] = []
    every = []
    for each in ours["variables"]:
        other = others.get(names.get(each["path"], each["path"]))
        if other is None:
            findings.append(Finding(code="none", subject=each["path"], figures=_owner(observations, each["path"])))
        else:
            every.append(compared(writer, reader, (each, other), tolerance, resume_units, scale))
    differing = [each for each in every if each.differs]
    found = {each.ours["path"]: each.found.max_abs if each.found else float("inf") for each in every}
    figures = {
        "variables": len(every),
        "differing": len(differing),
        "max_abs": number(max(found.values(), default=0.0)),
        "loss": theirs["loss"],
        "writer_loss": ours["loss"],
    }
    if differing:
        # The last of a model is the first that a step goes back through: what is behind it follows.
        last = differing[-1]
        path = str(last.ours["path"])
        said = {"differing": len(differing), "variables": len(every), "max_abs": number(found[path])}
        ratio = _ratio(float(last.ours["scale"]), float(last.theirs["scale"]))
        findings.insert(
            0,
            Finding(code="gradient", subject=path, figures={**said, "ratio": ratio, **_owner(observations, path)}),
        )
    return Result(findings=findings, figures=figures)


def _owner(observations: Observations, path: str) -> dict[str, str]:
    return owner_of(observations.writer, path.rpartition("/")[0])


def _ratio(before: float, after: float) -> float | str | None:
    return number(after / before) if before else None
