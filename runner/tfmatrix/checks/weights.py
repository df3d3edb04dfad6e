"""Check `weights`: same variables, shapes, dtypes and bits; renamed and reordered ones are named and are no loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tfmatrix.checks.contract import Kind, Result, Sentence, general_losses, loss, note, nothing, text
from tfmatrix.checks.distance import Distance, distance, number
from tfmatrix.checks.matching import Matching, Pair, Variable
from tfmatrix.checks.observation import Array
from tfmatrix.checks.observations import Observations
from tfmatrix.core.records import Finding

NAME = "weights"
SECTION = "weights"
ORDER = 20
ASPECT = "weights"
STORED = True


def _changed(_subject: str, figures: Mapping[str, Any]) -> str:
    where = f"{figures['unequal']} of {figures['elements']} values differ"
    if "max_abs" not in figures:
        return where
    if figures["nan_mismatches"]:
        where += f", {figures['nan_mismatches']} of them are NaN on one side only"
    return f"{where}, by up to {text(figures['max_abs'])} ({figures['max_ulp']} ULP)"


VALUES: Mapping[str, Sentence] = {
    "reset": lambda _subject, figures: f"all {figures['elements']} values are {text(figures['value'])} now",
    "bits": lambda _subject, _figures: "only the signs of zeros or the payloads of NaNs differ",
    "changed": _changed,
}
"""How values of one tensor change; see `change_of`."""


def _of_values(code: str, general: str) -> Kind:
    return loss(general, lambda subject, figures: f"{subject}: {VALUES[code](subject, figures)}")


def _flag(subject: str, figures: Mapping[str, Any]) -> str:
    return f"{subject} is trainable now" if figures["after"] else f"{subject} is not trainable any more"


def _extra(subject: str, figures: Mapping[str, Any]) -> str:
    return f"{subject} {figures['dtype']}{figures['shape']} is there but was not in the writer"


def _seeds(_subject: str, figures: Mapping[str, Any]) -> str:
    before, after, differ = figures["before"], figures["after"], figures["differ"]
    said = f"{differ} differ" if differ else "equal"
    if before != after:
        said = f"the writer had {before}, the loaded model has {after}"
    return f"{max(before, after)} seed states set aside: {said}"


FINDINGS: Mapping[str, Kind] = {
    "missing": loss(
        "weights are missing", lambda subject, figures: f"{subject} {figures['dtype']}{figures['shape']} is missing"
    ),
    "extra": loss("weights that the writer did not have", _extra),
    "shape": loss(
        "weights have another shape",
        lambda subject, figures: f"{subject} has shape {figures['after']}, was {figures['before']}",
    ),
    "dtype": loss(
        "weights have another dtype",
        lambda subject, figures: f"{subject} is {figures['after']}, was {figures['before']}",
    ),
    "reset": _of_values("reset", "weights are reset"),
    "bits": _of_values("bits", "weights have other values"),
    "changed": _of_values("changed", "weights have other values"),
    "trainable": loss("weights are trainable where they were not, or the other way round", _flag),
    # What follows is no loss: a flag that the check `config` judges, what only a function graph keeps, other places.
    "flag": note(_flag),
    "in-graph": note(_extra),
    "renamed": note(lambda subject, figures: f"{subject} is now called {figures['after']}"),
    "moved": note(lambda subject, figures: f"{subject} moved from {figures['before']} to {figures['after']}"),
    "unnamed": note(
        lambda _subject, figures: f"{figures['count']} variables have no names there; they were found by their values"
    ),
    "seeds": note(_seeds),
    "no-weights": nothing(lambda _subject, _figures: "the model has no weights"),
}

_VALUE_CODES = ("reset", "bits", "changed")
_LOSSES = ("missing", "extra", "shape", "dtype")


def losses(findings: Sequence[Finding], _figures: Mapping[str, Any]) -> list[str]:
    """What became of the variables, in the order of the kinds. Reset only where all that changed is; flags alone."""
    codes = {finding.code for finding in findings}
    chosen = [code for code in _LOSSES if code in codes]
    values = [code for code in _VALUE_CODES if code in codes]
    chosen += ["reset"] if values == ["reset"] else ["changed"] if values else []
    return [FINDINGS[code].loss for code in chosen] or general_losses(FINDINGS, findings)


@dataclass(kw_only=True)
class _Counts:
    """What the pairs came to, while they are walked through."""

    identical: int = 0
    changed: int = 0
    worst: str = ""
    figures: Distance = field(default_factory=lambda: Distance(elements=0))


def compare(observations: Observations) -> Result:
    """Figures: counts by what became of the writer's variables, and the largest difference of those that changed.

    The `trainable` flag of a variable belongs to the check `config`; only where the writer has no config (a plain
    tf.Module) is it judged here.
    """
    writer, reader, matching = observations.writer, observations.reader, observations.matching
    if not (matching.pairs or matching.missing or matching.extra):
        return Result(findings=[Finding(code="no-weights")])
    counts = _Counts()
    pairs = [found for pair in matching.pairs if (found := _compare(pair, counts)) is not None]
    by_code = {code: sum(found.code == code for found in pairs) for code in ("shape", "dtype")}
    missing = [_with_shape("missing", variable) for variable in matching.missing]
    # A function graph keeps variables that are no weights of the model (copies, seeds, counters of training).
    same_kind = writer.kind == reader.kind
    added = [_with_shape("extra" if same_kind else "in-graph", variable) for variable in matching.extra]
    flags = [_flag_of(pair, writer.section("config") is None) for pair in matching.pairs if _flag_changed(pair)]
    findings = [*pairs, *missing, *(flags if writer.section("config") is None else ()), *(added if same_kind else ())]
    findings += [_moved("renamed", pair, pair.writer.path, pair.reader.path) for pair in matching.renamed]
    findings += [_moved("moved", pair, pair.writer.index, pair.reader.index) for pair in matching.moved]
    anonymous = sum(pair.is_anonymous for pair in matching.pairs)
    if anonymous:
        findings.append(Finding(code="unnamed", figures={"count": anonymous}))
    findings += flags if writer.section("config") is not None else []
    findings += [] if same_kind else added
    seeds = max(len(side) for side in matching.seeds)
    if seeds:
        findings.append(Finding(code="seeds", figures=_seed_figures(matching)))
    return Result(
        findings=findings,
        figures={
            "variables": len(matching.pairs) + len(matching.missing),
            "identical": counts.identical,
            "changed": counts.changed,
            "missing": len(matching.missing),
            "extra": len(matching.extra),
            "shape_changed": by_code["shape"],
            "dtype_changed": by_code["dtype"],
            "renamed": len(matching.renamed),
            "moved": len(matching.moved),
            "anonymous": anonymous,
            "trainable_changed": len(flags),
            "seed_states": seeds,
            "worst": counts.worst,
            **{key: value for key, value in counts.figures.to_json().items() if key.startswith("max_")},
        },
    )


def _compare(pair: Pair, counts: _Counts) -> Finding | None:
    name = pair.writer.path
    if pair.writer.shape != pair.reader.shape:
        return _moved("shape", pair, list(pair.writer.shape), list(pair.reader.shape))
    if pair.writer.dtype != pair.reader.dtype:
        return _moved("dtype", pair, pair.writer.dtype, pair.reader.dtype)
    ours, theirs = pair.writer.array(), pair.reader.array()
    if ours.same_bits(theirs):
        counts.identical += 1
        return None
    counts.changed += 1
    figures = distance(ours, theirs)
    if not counts.worst or figures.max_abs >= counts.figures.max_abs:
        counts.worst = name
    counts.figures += figures
    return change_of(name, ours, theirs, figures)


def change_of(name: str, before: Array, after: Array, figures: Distance) -> Finding:
    """How values changed: a reset to one value is told apart from other changes. The codes are those of `VALUES`."""
    constant = after.constant()
    # One element is always constant: there only zero looks like a reset.
    if constant is not None and (before.constant() is None or (constant == 0.0 and figures.unequal)):
        return Finding(code="reset", subject=name, figures={"elements": after.size, "value": number(constant)})
    if not figures.unequal:
        return Finding(code="bits", subject=name)
    if not before.is_float and before.stored.dtype.kind not in "iu":
        return Finding(code="changed", subject=name, figures={"unequal": figures.unequal, "elements": figures.elements})
    return Finding(code="changed", subject=name, figures=figures.to_json())


def _moved(code: str, pair: Pair, before: Any, after: Any) -> Finding:
    return Finding(code=code, subject=pair.writer.path, figures={"before": before, "after": after})


def _with_shape(code: str, variable: Variable) -> Finding:
    return Finding(code=code, subject=variable.path, figures={"dtype": variable.dtype, "shape": list(variable.shape)})


def _flag_of(pair: Pair, is_judged: bool) -> Finding:
    code = "trainable" if is_judged else "flag"
    return Finding(code=code, subject=pair.writer.path, figures={"after": bool(pair.reader.trainable)})


def _flag_changed(pair: Pair) -> bool:
    flags = pair.writer.trainable, pair.reader.trainable
    return None not in flags and flags[0] != flags[1]


def _seed_figures(matching: Matching) -> dict[str, int]:
    """How many on either side; `differ` of them, where they can be told apart by their order."""
    ours, theirs = matching.seeds
    same = sum(a.shape == b.shape and a.digest == b.digest for a, b in zip(ours, theirs, strict=False))
    return {"before": len(ours), "after": len(theirs), "differ": max(len(ours), len(theirs)) - same}
