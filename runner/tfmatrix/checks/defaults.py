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
    LAMBDA,
    SENTENCES,
    ConfigDifference,
    class_name,
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
    before, after = writer.section(SECTION), reader.section(SECTION)
    found = config.differences(before, _named_as(before, after), same, owners)
    every = [(change, owner_of(writer, change.path.partition(".")[0])) for change in found.differences]
    aside = [(change, owner_of(writer, change.path.partition(".")[0])) for change in found.aside]
    ours, theirs = writer.section("compile"), reader.section("compile")
    if ours and theirs:
        compiled = compare_configs(ours, theirs, path="compile", same_keras=same)
        every += [(change, {}) for change in compiled.differences]
        aside += [(change, {}) for change in compiled.aside]
    # What a version does not name says nothing of its value: what is computed tells.
    changed = [each for each in every if same or _has_both(each[0])]
    aside += [each for each in every if each not in changed]
    return Result(
        findings=[
            *(change.finding(**owner) for change, owner in changed),
            *(change.finding("aside-", **owner) for change, owner in aside),
        ],
        figures={
            "differences": [change.path for change, _ in changed],
            "aside": [change.path for change, _ in aside],
        },
    )


def _has_both(change: ConfigDifference) -> bool:
    """Whether both sides name a value; of a function without a name, its code is not known."""
    return not any(value is ... or value == LAMBDA for value in (change.before, change.after))


def _named_as(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The reader's section with the writer's names of layers, where the same layers stand in the same order.

    Automatic names differ: a nested model is `model` in Keras 2 and `functional` in Keras 3.
    """
    mine, others = ([layer for layer in each["layers"] if layer["class"] != "InputLayer"] for each in (ours, theirs))
    if [class_name(str(each["class"])) for each in mine] != [class_name(str(each["class"])) for each in others]:
        return theirs
    names = {str(other["path"]): str(each["path"]) for each, other in zip(mine, others, strict=True)}

    def renamed(table: Mapping[str, Any] | None) -> dict[str, Any]:
        return {names.get(path, path): value for path, value in (table or {}).items()}

    found = dict(theirs)
    found["layers"] = [{**layer, "path": names[str(layer["path"])]} for layer in others]
    found |= {key: renamed(theirs.get(key)) for key in ("trainable", "dtype_policies")}
    if names.keys() != set(names.values()):
        # It is told by names, which are not these.
        found.pop("wiring", None)
    return found
