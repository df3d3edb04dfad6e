"""Check `defaults`: the same code means the same: arguments that it does not give have the values that they had.

What layers, initializers, optimizer, loss and metrics say of themselves is compared, as for a loaded model. Here both
sides were made by one code, so what differs was not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfmatrix.checks import config
from tfmatrix.checks.contract import Kind, Result, loss
from tfmatrix.checks.observations import Observations
from tfmatrix.checks.presentation import (
    ASIDE,
    SENTENCES,
    compare_configs,
    each_alone,
    owned_by,
    owner_of,
    without_indices,
)
from tfmatrix.core.records import Finding

NAME = "defaults"
SECTION = "config"
ORDER = 110
SAID_WHERE_PROMISED = True
ASPECT = "what the code means where it says nothing"

COMPILE = "compile."
"""Begins the path of what `compile` was given, or made by itself."""

FINDINGS: Mapping[str, Kind] = {
    **{code: loss("a default changed", sentence) for code, sentence in SENTENCES.items()},
    **ASIDE,
}


def losses(findings: Sequence[Finding], _figures: Mapping[str, Any]) -> list[str]:
    """What changed, each alone: the argument, and the class that has it."""
    return each_alone("a default changed", map(_key, findings))


def _key(finding: Finding) -> str:
    path = without_indices(finding.subject)
    if path.startswith(COMPILE):
        return f"`{path}`"
    return f"`{path.partition('.')[2] or path}` of {owned_by(finding)}"


def compare(observations: Observations) -> Result:
    """Figures: `differences` and `aside`, path lists: `batch_normalization.epsilon`, `compile.loss`."""
    writer, reader = observations.writer, observations.reader
    same = observations.same_keras
    weights = writer.section("weights")
    owners = None if weights is None else {str(entry["layer"]) for entry in weights}
    found = config.differences(writer.section(SECTION), reader.section(SECTION), same, owners)
    changes = [change.finding(**owner_of(writer, change.path.partition(".")[0])) for change in found.differences]
    aside = [change.finding("aside-") for change in found.aside]
    ours, theirs = writer.section("compile"), reader.section("compile")
    if ours and theirs:
        compiled = compare_configs(ours, theirs, path="compile", same_keras=same)
        changes += [change.finding() for change in compiled.differences]
        aside += [change.finding("aside-") for change in compiled.aside]
    return Result(
        findings=[*changes, *aside],
        figures={"differences": [each.subject for each in changes], "aside": [each.subject for each in aside]},
    )
