"""Check `forward`: with the same weights and inputs, every layer of the same code computes the same.

In inference and in training (without what random layers draw): the first tensor that differs beyond what other kernels
may come to is named, with its layer. What follows from it is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfmatrix.checks.contract import Kind, Result, loss, text
from tfmatrix.checks.distance import number
from tfmatrix.checks.observations import Observations
from tfmatrix.checks.presentation import class_name, owned_by
from tfmatrix.checks.tensors import Compared, compared, paired
from tfmatrix.checks.tolerance import kernel_units
from tfmatrix.core.records import Finding

NAME = "forward"
SECTION = "forward"
ORDER = 120
TOLERANCE = True
SAID_WHERE_PROMISED = True
ASPECT = "what each layer computes"
EXPLAINED_BY = ("defaults",)

MODES = ("inference", "training")


def _differs(subject: str, figures: Mapping[str, Any]) -> str:
    where = f"in {figures['mode']} {subject or 'the output'} is the first of {figures['differing']} tensors that differ"
    if "max_abs" not in figures:
        return f"{where}: {figures['after']}, in the writer {figures['before']}"
    return f"{where}: by up to {text(figures['max_abs'])}"


FINDINGS: Mapping[str, Kind] = {
    "values": loss("a layer computes something else", _differs),
    "shape": loss("a layer gives something else", _differs),
}


def losses(findings: Sequence[Finding], _figures: Mapping[str, Any]) -> list[str]:
    """The class of the first layer that computes something else, by mode."""
    words = (f"{owned_by(each)} computes something else in {each.figures['mode']}" for each in findings)
    return list(dict.fromkeys(words))


def compare(observations: Observations) -> Result:
    """Figures: how many tensors were compared in each mode, and the largest difference."""
    writer, reader = observations.writer, observations.reader
    tolerance, units = observations.tolerance_for(NAME), kernel_units(writer)
    findings: list[Finding] = []
    figures: dict[str, Any] = {}
    for mode in MODES:
        pairs = paired(writer.section(SECTION)[mode], reader.section(SECTION)[mode])
        every = [compared(writer, reader, pair, tolerance, units) for pair in pairs]
        differing = [each for each in every if each.differs]
        largest = max((each.found.max_abs for each in every if each.found is not None), default=0.0)
        figures |= {f"{mode}_tensors": len(every), f"{mode}_max_abs": number(largest)}
        if differing and not _is_said(differing[0], findings):
            findings.append(_finding(differing[0], mode, len(differing)))
    return Result(findings=findings, figures=figures)


def _is_said(first: Compared, findings: Sequence[Finding]) -> bool:
    """Whether training only shows what inference shows already."""
    return any(each.subject == first.ours["path"] for each in findings)


def _finding(first: Compared, mode: str, count: int) -> Finding:
    figures: dict[str, Any] = {"mode": mode, "differing": count, "class": class_name(str(first.ours["class"]))}
    if first.found is None:
        sides = (f"{each['array']['dtype']}{each['shape']}" for each in (first.ours, first.theirs))
        return Finding(code="shape", subject=str(first.ours["path"]), figures={**figures, **_sides(*sides)})
    figures |= {"max_abs": number(first.found.max_abs), "beyond": first.found.beyond}
    return Finding(code="values", subject=str(first.ours["path"]), figures=figures)


def _sides(before: str, after: str) -> dict[str, str]:
    return {"before": before, "after": after}
