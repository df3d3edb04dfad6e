"""Check `optimizer`: class, iterations and every slot variable equal. Hyperparameters belong to the check `compile`.

A slot is known by its meaning: what it holds (`momentum`) and for which variable, by the matching of the weights, so
that neither the three generations of optimizers' names nor the order of variables matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tfmatrix.checks.contract import Kind, Result, absences, absent, general_losses, loss, note, text
from tfmatrix.checks.distance import Distance, distance, number
from tfmatrix.checks.matching import Matching
from tfmatrix.checks.observation import Array, Observation
from tfmatrix.checks.observations import Observations
from tfmatrix.checks.seeds import is_seed_state
from tfmatrix.checks.weights import VALUES, change_of
from tfmatrix.core.records import Finding

NAME = "optimizer"
SECTION = "optimizer"
ORDER = 50
ASPECT = "optimizer state"
STORED = True
JUDGES_ABSENCE = True

_SLOTS = {
    "m": "momentum",
    "v": "velocity",
    "vhat": "velocity_hat",
    "rms": "velocity",
    "mg": "average_gradient",
    "norm": "u",
    "accum_grad": "accumulated_grad",
    "accum_var": "accumulated_delta_var",
    "average": "moving_average",
    "model_variable_moving_average": "moving_average",
}
"""Names of one slot in the three generations of optimizers: OptimizerV2, Keras 2.11 and later, Keras 3."""

_INERT_WITHOUT_MOMENTUM = ("SGD", "RMSprop")
"""Optimizers that never read their slot `momentum` where the argument of that name is 0. Keras 2 writes it all the
same, Keras 3 has none."""

_Key = tuple[str, object]


def _slot(subject: str, figures: Mapping[str, Any]) -> str:
    return f"{figures['slot']} of {subject}"


def _of_slots(word: str) -> Kind:
    return loss(
        f"the optimizer's slots are {word}",
        lambda _subject, figures: f"{figures['count']} of {figures['of']} slots {word}",
    )


def _of_values(code: str, general: str) -> Kind:
    return loss(general, lambda subject, figures: f"{_slot(subject, figures)}: {VALUES[code](subject, figures)}")


_CHANGED = "the optimizer's slots are changed"
_STATE = "the optimizer's state beside the slots differs"

FINDINGS: Mapping[str, Kind] = {
    **absences("the loaded model has no optimizer", "the optimizer is lost"),
    "class": loss(
        "another optimizer", lambda _subject, figures: f"the optimizer is {figures['after']}, was {figures['before']}"
    ),
    "iterations": loss(
        "the optimizer's iterations differ",
        lambda _subject, figures: f"iterations {figures['before']} → {figures['after']}",
    ),
    "slots-lost": _of_slots("lost"),
    "slots-reset": _of_slots("reset"),
    "slots-changed": _of_slots("changed"),
    # The slots, each by itself.
    "missing": loss("the optimizer's slots are lost", lambda subject, figures: f"{_slot(subject, figures)} is missing"),
    "reset": _of_values("reset", "the optimizer's slots are reset"),
    "bits": _of_values("bits", _CHANGED),
    "changed": _of_values("changed", _CHANGED),
    "shape": loss(
        _CHANGED,
        lambda subject, figures: f"{_slot(subject, figures)} is {figures['after']}, was {figures['before']}",
    ),
    "extra": loss(
        _STATE, lambda subject, figures: f"{_slot(subject, figures)} holds values, but was not in the writer"
    ),
    "state": loss(_STATE, lambda subject, figures: f"{subject} {figures['before']} → {figures['after']}"),
    "state-lost": loss(_STATE, lambda subject, figures: f"{subject} ({figures['before']}) is not kept"),
    # What follows is no loss: zeros, initial values, what is never read, and what another implementation keeps.
    "zeros": note(lambda subject, figures: f"{_slot(subject, figures)} is not there; it was all zeros"),
    "initial": note(
        lambda subject, figures: f"{_slot(subject, figures)} was not there; it is all {text(figures['value'])}"
    ),
    "inert": note(
        lambda _subject, figures: f"{figures['count']} slots set aside: without momentum they are never read"
    ),
    "state-other": note(lambda subject, figures: f"{subject} ({figures['before']}) is not kept"),
}


def losses(findings: Sequence[Finding], figures: Mapping[str, Any]) -> list[str]:
    """The optimizer, all of its state, or what of it: class, iterations, slots, scalars beside them."""
    codes = {finding.code for finding in findings}
    if codes & {"none", "no-keras-model"}:
        return general_losses(FINDINGS, findings)
    before, after = figures.get("iterations_before"), figures.get("iterations_after")
    if after == 0 and before and not figures.get("identical") and not figures.get("changed"):
        return ["the optimizer's state is reset"]
    found = [FINDINGS["class"].loss] if "class" in codes else []
    if "iterations" in codes:
        found.append("the optimizer's iterations are reset" if after == 0 else FINDINGS["iterations"].loss)
    said = [word for word in ("lost", "reset", "changed") if f"slots-{word}" in codes]
    if said:
        found.append(f"the optimizer's slots are {' and '.join(said)}")
    return found or general_losses(FINDINGS, findings)


@dataclass(kw_only=True)
class _Slots:
    """What the slots came to, while they are walked through."""

    compared: int = 0
    lost: int = 0
    reset: int = 0
    changed: int = 0
    identical: int = 0
    worst: str = ""
    figures: Distance = field(default_factory=lambda: Distance(elements=0))
    losses: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)


def compare(observations: Observations) -> Result:
    """Figures: iterations of both sides; of the writer's slots, how many are identical, lost, reset or changed."""
    writer, reader = observations.writer, observations.reader
    ours, theirs = writer.section("optimizer"), reader.section("optimizer")
    if theirs is None:
        return Result(
            findings=[absent(observations, SECTION)],
            figures={
                "iterations_before": ours["iterations"],
                "iterations_after": None,
                "slots": len(ours["slots"]),
                "lost": len(ours["slots"]),
            },
        )
    found = _Slots()
    _compare_slots(writer, reader, observations.matching, found)
    losses: list[Finding] = []
    if str(ours["class"]).lower() != str(theirs["class"]).lower():
        losses.append(_changed("class", "", ours["class"], theirs["class"]))
    if ours["iterations"] != theirs["iterations"]:
        losses.append(_changed("iterations", "", ours["iterations"], theirs["iterations"]))
    for count, what in ((found.lost, "lost"), (found.reset, "reset"), (found.changed, "changed")):
        if count:
            losses.append(Finding(code=f"slots-{what}", figures={"count": count, "of": found.compared}))
    losses += found.losses
    same_code = ours.get("implementation") == theirs.get("implementation")
    _compare_state(ours.get("state") or {}, theirs.get("state") or {}, same_code, losses, found.notes)
    return Result(
        findings=[*losses, *found.notes],
        figures={
            "iterations_before": ours["iterations"],
            "iterations_after": theirs["iterations"],
            "slots": found.compared,
            "identical": found.identical,
            "lost": found.lost,
            "reset": found.reset,
            "changed": found.changed,
            "worst": found.worst,
            **{key: value for key, value in found.figures.to_json().items() if key.startswith("max_")},
        },
    )


def _changed(code: str, subject: str, before: Any, after: Any) -> Finding:
    return Finding(code=code, subject=subject, figures={"before": before, "after": after})


def _compare_slots(writer: Observation, reader: Observation, matching: Matching, found: _Slots) -> None:
    ours, theirs = _by_meaning(writer, matching.reader_index), _by_meaning(reader)
    if _without_momentum(writer):
        inert = [key for key in ours if key[0] == "momentum"]
        if inert:
            found.notes.append(Finding(code="inert", figures={"count": len(inert)}))
        ours, theirs = ({key: slot for key, slot in side.items() if key[0] != "momentum"} for side in (ours, theirs))
    found.compared = len(ours)
    used: set[_Key] = set()
    for (slot, variable), entry in ours.items():
        path = str(entry["path"])
        before = writer.array(entry["array"])
        other = theirs.get((slot, variable))
        if other is None:
            if before.constant() == 0.0:
                found.notes.append(Finding(code="zeros", subject=path, figures={"slot": slot}))
            else:
                found.lost += 1
                found.losses.append(Finding(code="missing", subject=path, figures={"slot": slot}))
            continue
        used.add((slot, variable))
        _compare_values(slot, path, before, reader.array(other["array"]), found)
    for key, entry in theirs.items():
        if key not in used:
            found_there = _extra(key[0], str(entry["path"]), reader.array(entry["array"]))
            (found.losses if found_there.code == "extra" else found.notes).append(found_there)


def _without_momentum(observation: Observation) -> bool:
    optimizer = observation.section("optimizer")
    inert = any(name in str(optimizer["class"]) for name in _INERT_WITHOUT_MOMENTUM)
    return inert and not (optimizer.get("hyperparameters") or {}).get("momentum")


def _by_meaning(observation: Observation, index: Mapping[int, int] | None = None) -> dict[_Key, Mapping[str, Any]]:
    """Slots by name and variable; `index` translates the writer's numbers of variables to the reader's.

    A variable that was not matched gets a key that fits nothing; a slot without a variable goes by its path.
    """
    slots: dict[_Key, Mapping[str, Any]] = {}
    for entry in observation.section("optimizer")["slots"]:
        path, number = str(entry.get("path") or ""), entry.get("variable")
        if is_seed_state(path):
            continue
        variable: object = path
        if number is not None:
            variable = number if index is None else index.get(number, f"unmatched {number}")
        name = str(entry["slot"])
        slots[_SLOTS.get(name, name), variable] = entry
    return slots


def _compare_values(slot: str, path: str, before: Array, after: Array, found: _Slots) -> None:
    if (before.dtype, before.shape) != (after.dtype, after.shape):
        found.changed += 1
        was, now = (f"{array.dtype}{list(array.shape)}" for array in (before, after))
        shapes = {"slot": slot, "before": was, "after": now}
        found.losses.append(Finding(code="shape", subject=path, figures=shapes))
        return
    if before.same_bits(after):
        found.identical += 1
        return
    figures = distance(before, after)
    if not found.worst or figures.max_abs >= found.figures.max_abs:
        found.worst = f"{slot} of {path}"
    found.figures += figures
    if after.constant() is not None and before.constant() is None:
        found.reset += 1
    elif after.constant() == 0.0:
        # A slot of one element is always constant: zero is what tells a reset.
        found.reset += 1
    else:
        found.changed += 1
    change = change_of(path, before, after, figures)
    found.losses.append(replace(change, figures={**change.figures, "slot": slot}))


def _extra(slot: str, path: str, values: Array) -> Finding:
    """A slot that only the reader has: no loss where it holds what an optimizer starts from."""
    constant = values.constant()
    if constant is not None:
        return Finding(code="initial", subject=path, figures={"slot": slot, "value": number(constant)})
    return Finding(code="extra", subject=path, figures={"slot": slot})


def _compare_state(
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    same_code: bool,
    losses: list[Finding],
    notes: list[Finding],
) -> None:
    """Scalars beside the iterations (loss scale, Nadam's product). Implementations keep different ones."""
    for name, before in ours.items():
        if name not in theirs:
            code = "state-lost" if same_code else "state-other"
            found = Finding(code=code, subject=name, figures={"before": before})
            (losses if same_code else notes).append(found)
        elif np.float32(before) != np.float32(theirs[name]):
            losses.append(_changed("state", name, before, theirs[name]))
