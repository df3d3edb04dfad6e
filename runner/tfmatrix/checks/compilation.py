"""Check `compile`: loss, metrics, optimizer class and hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfmatrix.checks.contract import Kind, Result, absences, absent, general_losses, loss
from tfmatrix.checks.observations import Observations
from tfmatrix.checks.presentation import (
    ASIDE,
    NOTATION,
    SENTENCES,
    ConfigDifference,
    apart_from_notation,
    compare_configs,
    each_alone,
    without_indices,
)
from tfmatrix.core.records import Finding

NAME = "compile"
SECTION = "compile"
ORDER = 40
ASPECT = "loss, metrics and optimizer settings"
STORED = True
JUDGES_ABSENCE = True

FINDINGS: Mapping[str, Kind] = {
    **absences("the loaded model is not compiled", "not compiled"),
    **{code: loss("compile differs", sentence) for code, sentence in SENTENCES.items()},
    "loss-lost": loss("compile differs", lambda _subject, figures: f"the loss {figures['before']!r} is lost"),
    **ASIDE,
    **NOTATION,
}


def losses(findings: Sequence[Finding], _figures: Mapping[str, Any]) -> list[str]:
    """That it is not compiled, else what differs, each alone."""
    if any(finding.code in ("none", "no-keras-model") for finding in findings):
        return general_losses(FINDINGS, findings)
    return each_alone("compile differs", (f"`{without_indices(each.subject)}`" for each in findings))


def compare(observations: Observations) -> Result:
    """Figures: `differences`, `aside` and `notation`, path lists such as `loss` and `hyperparameters.learning_rate`.

    Numbers are compared as float32, in which optimizers keep them.
    """
    ours, theirs = observations.writer.section(SECTION), observations.reader.section(SECTION)
    if theirs is None:
        return Result(
            findings=[absent(observations, SECTION)], figures={"differences": ["compile"], "aside": [], "notation": []}
        )
    found = compare_configs(ours, theirs, same_keras=observations.same_keras)
    here = (observations.reader.control or {}).get("compile")
    if here and not observations.same_keras:
        found = apart_from_notation(found, compare_configs(here, theirs))
    return Result(
        findings=[
            *(_finding(difference) for difference in found.differences),
            *(difference.finding("aside-") for difference in found.aside),
            *(difference.finding("notation-") for difference in found.notation),
        ],
        figures={
            "differences": [difference.path for difference in found.differences],
            "aside": [difference.path for difference in found.aside],
            "notation": [difference.path for difference in found.notation],
        },
    )


def _finding(difference: ConfigDifference) -> Finding:
    if difference.path == "loss" and difference.after in (None, ...):
        return Finding(code="loss-lost", subject="loss", figures={"before": difference.before})
    return difference.finding()
