"""Check `initializers`: untrained weights are drawn as they were, and seeds are honoured as they were.

The same code is built again and again, each time with a seed of its own. That another version draws other numbers is no
finding; that they are of another size or shape is one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfmatrix.checks.contract import Kind, Result, loss, note, text
from tfmatrix.checks.observation import Numbers
from tfmatrix.checks.observations import Observations
from tfmatrix.checks.presentation import owned_by, owner_of
from tfmatrix.core.records import Finding

NAME = "initializers"
SECTION = "draws"
ORDER = 170
SAID_WHERE_PROMISED = True
ASPECT = "what untrained weights are drawn from"
EXPLAINED_BY = ("defaults",)

DEVIATIONS = 6.0
"""How many standard errors two means or two spreads may lie apart: once in 5e8 by chance."""

ALPHA = 1e-9
"""The same for the shape, by the test of Kolmogorov and Smirnov."""

ENDS = 0.35
"""How far the largest of all numbers, in standard deviations, may lie apart where a distribution has an end: 1.73 of a
uniform one, 2.27 of a truncated normal one."""

BOUNDED, ENOUGH = 2.5, 300
"""Largest numbers, in standard deviations, and how many, from which that is told."""

UNIFORM = 0.8
"""Kurtosis less one of a uniform distribution, which no initializer of Keras goes below."""

CONSTANT = 1e-6
"""The spread of a constant, as a share of it: rounding of float32."""


def _drawn(subject: str, figures: Mapping[str, Any]) -> str:
    sides = (
        f"mean {text(figures[side]['mean'])}, deviation {text(figures[side]['std'])}, "
        f"largest {text(figures[side]['largest'])}"
        for side in ("after", "before")
    )
    return f"{subject} is drawn from another distribution ({figures['by']}): {next(sides)}; in the writer {next(sides)}"


FINDINGS: Mapping[str, Kind] = {
    "distribution": loss("weights are drawn from another distribution", _drawn),
    "repeats": loss(
        "a seed does not give the same weights again",
        lambda _subject, _figures: "the same seed does not give the same weights again, as it does in the writer",
    ),
    "constant": loss(
        "weights are not drawn anew",
        lambda subject, figures: (
            f"{figures['builds']} models with seeds of their own have {figures['after']} different {subject}, "
            f"in the writer {figures['before']}"
        ),
    ),
    "numbers": note(
        lambda _subject, figures: (
            f"from the same seed other numbers are drawn for {figures['variables']} of {figures['of']} variables"
        )
    ),
}


def losses(findings: Sequence[Finding], _figures: Mapping[str, Any]) -> list[str]:
    """What is drawn otherwise, by the class of the layer."""
    return list(
        dict.fromkeys(FINDINGS[each.code].loss + (f": {owned_by(each)}" if each.subject else "") for each in findings)
    )


def compare(observations: Observations) -> Result:
    """Figures: `builds` models, `variables` compared, and how many have other numbers from the same seed."""
    writer, reader = observations.writer, observations.reader
    ours, theirs = writer.section(SECTION), reader.section(SECTION)
    names = observations.reader_paths
    others = {each["path"]: each for each in theirs["weights"]}
    found = ((each, others.get(names.get(each["path"], each["path"]))) for each in ours["weights"])
    pairs = [(mine, other) for mine, other in found if other is not None]
    findings = [Finding(code="repeats")] if ours["repeats"] and not theirs["repeats"] else []
    numbers = 0
    for mine, other in pairs:
        a, b = writer.array(mine["numbers"]).values, reader.array(other["numbers"]).values
        numbers += not np.array_equal(a, b)
        owner = owner_of(writer, str(mine["layer"]))
        if (mine["distinct"] > 1) != (other["distinct"] > 1):
            counts = {"builds": ours["builds"], "before": mine["distinct"], "after": other["distinct"]}
            findings.append(Finding(code="constant", subject=mine["path"], figures={**counts, **owner}))
        elif by := _differ(mine, a, other, b):
            sides = {
                side: {key: each[key] for key in ("mean", "std", "largest")}
                for side, each in (("before", mine), ("after", other))
            }
            findings.append(Finding(code="distribution", subject=mine["path"], figures={"by": by, **sides, **owner}))
    if numbers:
        findings.append(Finding(code="numbers", figures={"variables": numbers, "of": len(pairs)}))
    return Result(findings=findings, figures={"builds": ours["builds"], "variables": len(pairs), "other": numbers})


def _differ(mine: Mapping[str, Any], a: Numbers, other: Mapping[str, Any], b: Numbers) -> str:
    """By what two samples are of different distributions; empty where nothing shows it."""
    one, two = float(mine["std"]), float(other["std"])
    means = float(mine["mean"]), float(other["mean"])
    if any(spread <= CONSTANT * abs(mean) for spread, mean in zip((one, two), means, strict=True)):
        same = abs(one - two) <= CONSTANT * abs(means[0]) and math.isclose(*means, rel_tol=1e-6, abs_tol=1e-12)
        return "" if same else "value"
    # What one initializer with a seed gives again and again says nothing new.
    n, m = (int(each["size"]) * int(each["distinct"]) for each in (mine, other))
    if abs(means[0] - means[1]) > DEVIATIONS * math.sqrt(one**2 / n + two**2 / m):
        return "mean"
    if abs(math.log(one / two)) > DEVIATIONS * math.sqrt(_peak(a) / n + _peak(b) / m):
        return "deviation"
    ends = float(mine["largest"]) / one, float(other["largest"]) / two
    if min(ends) < BOUNDED and min(n, m) >= ENOUGH and abs(ends[0] - ends[1]) > ENDS:
        return "shape"
    n, m = min(n, a.size), min(m, b.size)
    if _apart(a, b) > math.sqrt(-math.log(ALPHA / 2) / 2 * (n + m) / (n * m)):
        return "shape"
    return ""


def _peak(numbers: Numbers) -> float:
    """The variance of the logarithm of a standard deviation, times the count: 0.5 of a normal distribution.

    By the fourth moment: a quarter of the kurtosis less one. That of a sample is held above a uniform one's.
    """
    centred = numbers.astype(np.float64) - np.mean(numbers, dtype=np.float64)
    return max(float(np.mean(centred**4) / np.mean(centred**2) ** 2) - 1, UNIFORM) / 4


def _apart(a: Numbers, b: Numbers) -> float:
    """The largest distance of two empirical distributions; both are sorted."""
    every = np.concatenate([a, b])
    shares = (np.searchsorted(each, every, side="right") / each.size for each in (a, b))
    return float(np.max(np.abs(np.subtract(*shares))))
