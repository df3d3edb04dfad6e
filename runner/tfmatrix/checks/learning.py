"""Check `learning`: the same code, trained from the same weights on the same batches, learns as the writer's did.

The losses of every step, and what the model predicts behind the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfmatrix.checks.contract import Kind, Result, loss, note, text
from tfmatrix.checks.course import Courses, series
from tfmatrix.checks.distance import number
from tfmatrix.checks.observations import Observations
from tfmatrix.checks.retraining import KINDS, SECTION, courses, figures_of, notes, obstacle, steps
from tfmatrix.core.records import Finding

__all__ = ["ASPECT", "EXPLAINED_BY", "FINDINGS", "NAME", "ORDER", "SAID_WHERE_PROMISED", "SECTION", "TOLERANCE"]

NAME = "learning"
ORDER = 160
TOLERANCE = True
SAID_WHERE_PROMISED = True
ASPECT = "losses and final outputs of training"
EXPLAINED_BY = ("defaults", "forward", "gradients", "updates")

DEVIATIONS = 6.0
"""How many standard errors the mean losses of several seeds may lie apart."""

FINDINGS: Mapping[str, Kind] = {
    **KINDS,
    "losses": loss(
        "the loss goes elsewhere",
        lambda _subject, figures: (
            f"the loss is another one from step {figures['step']} on: after {figures['steps']} steps "
            f"{text(figures['after'])}, in the writer {text(figures['before'])}"
        ),
    ),
    "steps": loss(
        "the loss goes elsewhere",
        lambda _subject, figures: f"{figures['after']} steps were made, the writer made {figures['before']}",
    ),
    "drawn": loss(
        "with what random layers draw, the loss goes elsewhere",
        lambda _subject, figures: (
            f"with what {', '.join(figures['layers'])} draw, the loss after {figures['steps']} steps is "
            f"{text(figures['after'])} on average of {figures['seeds']} seeds, in the writer {text(figures['before'])}"
        ),
    ),
    "numbers": note(
        lambda _subject, figures: (
            f"{', '.join(figures['layers'])}: from the same seed other random numbers are drawn; nothing shows "
            f"another distribution: the loss after {figures['steps']} steps is {text(figures['after'])} on average of "
            f"{figures['seeds']} seeds, in the writer {text(figures['before'])}"
        )
    ),
    "outputs": loss(
        "the trained model predicts otherwise",
        lambda subject, figures: (
            f"after {figures['steps']} steps {figures['beyond']} of {figures['moved']} values of "
            f"{subject or 'the output'} are not the writer's, by up to {text(figures['max_abs'])}"
        ),
    ),
}


def compare(observations: Observations) -> Result:
    """Figures: the losses by step of both, and the largest differences of losses and outputs."""
    found = obstacle(observations)
    if found is not None:
        return found
    both = courses(observations, NAME)
    last = both["last"]
    before, after = last.ours["losses"], last.theirs["losses"]
    figures: dict[str, Any] = {**figures_of(both), "losses": after, "writer_losses": before}
    if len(before) != len(after):
        counts = {"before": len(before), "after": len(after)}
        return Result(findings=[Finding(code="steps", figures=counts)], figures=figures)
    findings = []
    apart, outputs = last.losses(), last.states()["outputs"]
    noise = (last.noise or {}).get("losses", 0.0)
    figures |= {"max_abs": number(apart.max_abs), "noise": noise, "outputs_max_abs": number(outputs.figures.max_abs)}
    if apart.beyond:
        said = {"step": _first_step(last), "steps": steps(last), "before": before[-1], "after": after[-1]}
        findings.append(Finding(code="losses", figures={**said, "max_abs": number(apart.max_abs)}))
    if outputs.figures.beyond:
        findings.append(outputs.finding("outputs", steps=steps(last)))
    findings += _drawn(observations, last)
    return Result(findings=[*findings, *notes(observations, both)], figures=figures)


def _drawn(observations: Observations, last: Courses) -> list[Finding]:
    """Whether random layers draw from one distribution: the losses of several seeds on both sides."""
    ours, theirs = (each.section(SECTION) for each in (observations.writer, observations.reader))
    a, b = (np.asarray(each["drawn"], dtype=np.float64) for each in (ours, theirs))
    if not a.size or a.shape != b.shape:
        return []
    if last.is_near("losses", ours["drawn"], theirs["drawn"]):
        return []
    before, after = (each[:, -1] for each in (a, b))
    means = float(np.mean(before)), float(np.mean(after))
    spread = float(np.sqrt((np.var(before, ddof=1) + np.var(after, ddof=1)) / len(before)))
    said = {"layers": list(ours["silent"]), "steps": a.shape[1], "seeds": a.shape[0]}
    figures = {**said, "before": number(means[0]), "after": number(means[1]), "spread": number(spread)}
    is_other = abs(means[0] - means[1]) > DEVIATIONS * spread and last.losses().beyond == 0
    return [Finding(code="drawn" if is_other else "numbers", figures=figures)]


def _first_step(course: Courses) -> int:
    """The first step whose loss is another one, from 1."""
    limit = course.limit_of_losses()
    a, b = (np.asarray(series(each["losses"]).values, dtype=np.float64) for each in (course.ours, course.theirs))
    a, b = (each.reshape(len(each), -1) for each in (a, b))
    near = np.abs(a - b) <= limit.atol + limit.rtol * np.abs(a)
    off = ~np.all(near | (np.isnan(a) & np.isnan(b)) | (a == b), axis=1)
    return int(np.argmax(off)) + 1
