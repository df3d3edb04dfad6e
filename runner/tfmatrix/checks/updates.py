"""Check `updates`: the same code, trained from the same weights, moves every variable as the writer's did.

Trained weights, moving statistics and the optimizer's slots are each judged by itself, after one step and after all:
a moving average that ends elsewhere is a finding, even where the losses agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfmatrix.checks.contract import Kind, Result, loss, text
from tfmatrix.checks.distance import number
from tfmatrix.checks.matching import without_counter
from tfmatrix.checks.observations import Observations
from tfmatrix.checks.presentation import owned_by, owner_of
from tfmatrix.checks.retraining import KINDS, SECTION, courses, figures_of, notes, obstacle, steps
from tfmatrix.core.records import Finding

__all__ = ["ASPECT", "FINDINGS", "NAME", "ORDER", "SAID_WHERE_PROMISED", "SECTION", "TOLERANCE", "compare", "losses"]

NAME = "updates"
ORDER = 140
TOLERANCE = True
SAID_WHERE_PROMISED = True
ASPECT = "training steps"
EXPLAINED_BY = ("defaults", "forward", "gradients")

_WORDS = {"weights": "trained weights", "statistics": "moving statistics", "slots": "the optimizer's slots"}


def _ends(kind: str) -> Any:
    def sentence(subject: str, figures: Mapping[str, Any]) -> str:
        after = "the first step" if figures["step"] == 1 else f"{figures['step']} steps"
        return (
            f"after {after} {figures['beyond']} of {figures['moved']} values of {_WORDS[kind]} are not the writer's: "
            f"{subject} by up to {text(figures['max_abs'])}"
            + (f", after {figures['steps']} steps {text(figures['max_abs_last'])}" if figures["step"] == 1 else "")
        )

    return sentence


FINDINGS: Mapping[str, Kind] = {
    **KINDS,
    **{kind: loss(f"training moves {words} elsewhere", _ends(kind)) for kind, words in _WORDS.items()},
}


def losses(findings: Sequence[Finding], _figures: Mapping[str, Any]) -> list[str]:
    """What moves elsewhere, by the layer's class: of statistics with their name, as nothing else follows from them."""
    found = []
    for each in findings:
        if each.code in _WORDS:
            role = without_counter(each.subject.rpartition("/")[2])
            found.append(f"training moves `{role}` of {owned_by(each)} elsewhere")
        else:
            found.append(FINDINGS[each.code].loss)
    return list(dict.fromkeys(found))


def compare(observations: Observations) -> Result:
    """Figures: for each kind how many values are off after the first step and after all, and by how much."""
    found = obstacle(observations)
    if found is not None:
        return found
    both = courses(observations, NAME)
    first, last = both["first"].states(), both["last"].states()
    figures: dict[str, Any] = figures_of(both)
    findings: list[Finding] = []
    for kind in _WORDS:
        figures |= {
            f"{kind}_first_max_abs": number(first[kind].figures.max_abs),
            f"{kind}_max_abs": number(last[kind].figures.max_abs),
            f"{kind}_beyond": last[kind].figures.beyond,
            f"{kind}_moved": last[kind].moved,
        }
        ending, step = (first[kind], 1) if first[kind].figures.beyond else (last[kind], steps(both["last"]))
        if ending.figures.beyond:
            path = ending.worst.rpartition(" of ")[2]
            findings.append(
                ending.finding(
                    kind,
                    step=step,
                    steps=steps(both["last"]),
                    max_abs_last=number(last[kind].figures.max_abs),
                    **owner_of(observations.writer, path.rpartition("/")[0]),
                )
            )
    return Result(findings=[*findings, *notes(observations, both)], figures=figures)
