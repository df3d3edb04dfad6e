"""Check `optimizer`: class, iterations and every slot variable equal. Hyperparameters belong to the check `compile`.

A slot is known by its meaning: what it holds (`momentum`) and for which variable, by the matching of the weights, so
that neither the three generations of optimizers' names nor the order of variables matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfmatrix.checks.distance import Distance, distance
from tfmatrix.checks.matching import Matching, match
from tfmatrix.checks.observation import Array, Observation
from tfmatrix.checks.result import Check, failed, judged, text
from tfmatrix.checks.seeds import is_seed_state
from tfmatrix.checks.weights import describe_change

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


@dataclass(kw_only=True)
class _Findings:
    compared: int = 0
    lost: int = 0
    reset: int = 0
    changed: int = 0
    identical: int = 0
    worst: str = ""
    figures: Distance = field(default_factory=lambda: Distance(elements=0))
    losses: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_optimizer(writer: Observation, reader: Observation, matching: Matching | None = None) -> Check:
    """Figures: iterations of both sides; of the writer's slots, how many are identical, lost, reset or changed."""
    ours, theirs = writer.section("optimizer"), reader.section("optimizer")
    if theirs is None:
        return failed(
            f"the loaded model has no optimizer{_reason(reader)}",
            iterations_before=ours["iterations"],
            iterations_after=None,
            slots=len(ours["slots"]),
            lost=len(ours["slots"]),
        )
    matching = matching or match(writer, reader)
    found = _Findings()
    _compare_slots(writer, reader, matching, found)
    losses: list[str] = []
    if str(ours["class"]).lower() != str(theirs["class"]).lower():
        losses.append(f"the optimizer is {theirs['class']}, was {ours['class']}")
    if ours["iterations"] != theirs["iterations"]:
        losses.append(f"iterations {ours['iterations']} → {theirs['iterations']}")
    total = found.compared
    for count, what in ((found.lost, "lost"), (found.reset, "reset"), (found.changed, "changed")):
        if count:
            losses.append(f"{count} of {total} slots {what}")
    losses += found.losses
    same_code = ours.get("implementation") == theirs.get("implementation")
    _compare_state(ours.get("state") or {}, theirs.get("state") or {}, same_code, losses, found.notes)
    return judged(
        losses,
        found.notes,
        iterations_before=ours["iterations"],
        iterations_after=theirs["iterations"],
        slots=total,
        identical=found.identical,
        lost=found.lost,
        reset=found.reset,
        changed=found.changed,
        worst=found.worst,
        **{key: value for key, value in found.figures.to_json().items() if key.startswith("max_")},
    )


def _compare_slots(writer: Observation, reader: Observation, matching: Matching, found: _Findings) -> None:
    ours, theirs = _by_meaning(writer, matching.reader_index), _by_meaning(reader)
    if _without_momentum(writer):
        inert = [key for key in ours if key[0] == "momentum"]
        if inert:
            found.notes.append(f"{len(inert)} slots set aside: without momentum they are never read")
        ours, theirs = ({key: slot for key, slot in side.items() if key[0] != "momentum"} for side in (ours, theirs))
    found.compared = len(ours)
    used: set[_Key] = set()
    for (slot, variable), entry in ours.items():
        name = f"{slot} of {entry['path']}"
        before = writer.array(entry["array"])
        other = theirs.get((slot, variable))
        if other is None:
            if before.constant() == 0.0:
                found.notes.append(f"{name} is not there; it was all zeros")
            else:
                found.lost += 1
                found.losses.append(f"{name} is missing")
            continue
        used.add((slot, variable))
        _compare_values(name, before, reader.array(other["array"]), found)
    for key, entry in theirs.items():
        if key not in used:
            _judge_extra(f"{key[0]} of {entry['path']}", reader.array(entry["array"]), found)


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


def _compare_values(name: str, before: Array, after: Array, found: _Findings) -> None:
    if (before.dtype, before.shape) != (after.dtype, after.shape):
        found.changed += 1
        found.losses.append(f"{name} is {after.dtype}{list(after.shape)}, was {before.dtype}{list(before.shape)}")
        return
    if before.same_bits(after):
        found.identical += 1
        return
    figures = distance(before, after)
    if not found.worst or figures.max_abs >= found.figures.max_abs:
        found.worst = name
    found.figures += figures
    if after.constant() is not None and before.constant() is None:
        found.reset += 1
    elif after.constant() == 0.0:
        # A slot of one element is always constant: zero is what tells a reset.
        found.reset += 1
    else:
        found.changed += 1
    found.losses.append(f"{name}: {describe_change(before, after, figures)}")


def _judge_extra(name: str, values: Array, found: _Findings) -> None:
    """A slot that only the reader has: no loss where it holds what an optimizer starts from."""
    constant = values.constant()
    if constant is not None:
        found.notes.append(f"{name} was not there; it is all {text(constant)}")
    else:
        found.losses.append(f"{name} holds values, but was not in the writer")


def _compare_state(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], same_code: bool, losses: list[str], notes: list[str]
) -> None:
    """Scalars beside the iterations (loss scale, Nadam's product). Implementations keep different ones."""
    for name, before in ours.items():
        if name not in theirs:
            (losses if same_code else notes).append(f"{name} ({before}) is not kept")
        elif np.float32(before) != np.float32(theirs[name]):
            losses.append(f"{name} {before} → {theirs[name]}")


def _reason(reader: Observation) -> str:
    note = reader.note("optimizer")
    return f": {note}" if note else ""
