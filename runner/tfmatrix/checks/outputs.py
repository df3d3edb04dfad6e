"""Check `outputs`: the loaded model's outputs on the scenario's inputs equal the writer's, within the tolerance.

What is allowed comes from `tfmatrix.checks.tolerance`. A numerics difference (the control shows that the reader
computes the same code and weights differently, and the loaded model equals the control) passes within the kernels'
share: another order of the same sums is what a new release of a numerical library may bring, and a matrix that called
each such difference a loss would be red from edge to edge and say nothing. Beyond that share it is drift, attributed to
numerics. Without a control there is no such allowance, because nothing shows where the difference comes from. The
figures are recorded either way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from tfmatrix.checks.contract import (
    Kind,
    Result,
    exception,
    general_losses,
    loss,
    note,
    nothing,
    raised,
    text,
)
from tfmatrix.checks.distance import Distance, distance, number, scale_of, total
from tfmatrix.checks.observation import Array, Observation
from tfmatrix.checks.observations import Observations
from tfmatrix.checks.tolerance import Limit, Tolerance, Units, base_units, kernel_units, working_precision
from tfmatrix.core.records import Finding

NAME = "outputs"
SECTION = "outputs"
TOLERANCE = True
ORDER = 10
ASPECT = "outputs"
EXPLAINED_BY = ("weights", "config")

References = Mapping[str, Mapping[str, Any]]


def called(name: str) -> str:
    """An output in a sentence; that of a model with one has no name."""
    return f"output {name!r}" if name else "the output"


def _renamed(subject: str, figures: Mapping[str, Any]) -> str:
    return f"{called(subject)} is called {called(figures['after'])} now"


def _beyond(subject: str, figures: Mapping[str, Any]) -> str:
    where = f"{figures['beyond']} of {figures['elements']} values of {called(subject)} are beyond the tolerance"
    if figures["nan_mismatches"]:
        where += f" ({figures['nan_mismatches']} are NaN on one side only)"
    where += f": by up to {text(figures['max_abs'])} ({figures['max_ulp']} ULP)"
    where += f", allowed {text(figures['atol'])} + {text(figures['rtol'])} of the value"
    if figures["argmax_flips"]:
        where += f"; {figures['argmax_flips']} rows have their largest element elsewhere"
    return where


STRUCTURE: Mapping[str, Kind] = {
    "missing": loss("an output is missing", lambda subject, _figures: f"{called(subject)} is missing"),
    "new": loss("an output is new", lambda subject, _figures: f"{called(subject)} is there but was not in the writer"),
    "shape": loss(
        "an output has another shape",
        lambda subject, figures: f"{called(subject)} has shape {figures['after']}, was {figures['before']}",
    ),
    "dtype": loss(
        "an output has another dtype",
        lambda subject, figures: f"{called(subject)} is {figures['after']}, was {figures['before']}",
    ),
    "renamed": loss(
        "an output has another name",
        lambda subject, figures: f"the structure changed: {_renamed(subject, figures)}",
    ),
}
"""Differences that leave nothing to subtract."""

FINDINGS: Mapping[str, Kind] = {
    **STRUCTURE,
    "beyond": loss("outputs differ", _beyond),
    "nan": loss("outputs are NaN on one side only", _beyond),
    "called": note(_renamed),
    "kernels": note(
        lambda _subject, figures: (
            f"differs by up to {text(figures['max_abs'])} ({figures['max_ulp']} ULP): the kernels of the reader, as "
            "the model rebuilt from code shows, and no more than another order of the same sums"
        )
    ),
    "conversion": note(
        lambda _subject, figures: f"the conversion itself moved the outputs by up to {text(figures['max_abs'])}"
    ),
    "no-outputs": nothing(lambda _subject, _figures: "the model has no outputs"),
    "interpreter-raises": nothing(lambda _subject, figures: f"the writer's own interpreter raises {raised(figures)}"),
}


def losses(findings: Sequence[Finding], _figures: Mapping[str, Any]) -> list[str]:
    """The first difference of structure, else that something is NaN, else that values differ."""
    for group in (STRUCTURE, ("nan",)):
        found = [finding for finding in findings if finding.code in group]
        if found:
            said = general_losses(FINDINGS, found)[0]
            return [f"outputs: {said}" if group is STRUCTURE else said]
    return general_losses(FINDINGS, findings)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How one set of named results differs from another. `structure` are differences that leave nothing to subtract."""

    structure: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    distances: Mapping[str, Distance]
    limits: Mapping[str, Limit]

    @property
    def exceeds(self) -> bool:
        """Whether more differs than is allowed."""
        return bool(self.structure) or any(item.beyond for item in self.distances.values())

    @cached_property
    def total(self) -> Distance:
        """The figures over all results."""
        return total(self.distances)

    @property
    def losses(self) -> list[Finding]:
        """What differs more than is allowed: the structure, then the results beyond their limits."""
        return [
            *self.structure,
            *(
                Finding(
                    code="nan" if item.nan_mismatches else "beyond",
                    subject=name,
                    figures={
                        **item.to_json(),
                        "rtol": number(self.limits[name].rtol),
                        "atol": number(self.limits[name].atol),
                    },
                )
                for name, item in self.distances.items()
                if item.beyond
            ),
        ]

    @cached_property
    def worst(self) -> str | None:
        """The name of the result that is furthest over its limit, else furthest off."""
        changed = {name: item for name, item in self.distances.items() if item.unequal}
        return max(changed, key=lambda name: (changed[name].beyond > 0, changed[name].max_abs), default=None)

    def figures(self) -> dict[str, Any]:
        """The figures as JSON, with the limit of the worst result (of the first where none differs)."""
        shown = self.worst if self.worst is not None else next(iter(self.limits), None)
        limit = self.limits[shown] if shown is not None else Limit(rtol=0.0, atol=0.0)
        return {
            **self.total.to_json(),
            "worst": self.worst,
            "rtol": number(limit.rtol),
            "atol": number(limit.atol),
        }


def compare(observations: Observations) -> Result:
    """Figures: those of `Distance`, the worst output, the tolerance, the kernels' share where it was granted."""
    writer, reader, tolerance = observations.writer, observations.reader, observations.tolerance_for(NAME)
    if not writer.section("outputs") and not reader.section("outputs"):
        return Result(findings=[Finding(code="no-outputs")])
    if writer.reading is not None:
        return _interpreted(writer, reader, writer.reading, tolerance)
    difference = compare_results(writer, writer.section("outputs"), reader, reader.section("outputs"), tolerance)
    figures = difference.figures()
    floor = max(tolerance.floor.values(), default=0.0)
    if floor:
        figures["noise_floor"] = number(floor)
    if difference.exceeds and not difference.structure and not tolerance.is_given:
        granted = _kernel_share(writer, reader, tolerance)
        if granted is not None:
            figures.update(granted.figures())
            figures["kernels"] = True
            share = {"max_abs": number(granted.total.max_abs), "max_ulp": granted.total.max_ulp}
            return Result(findings=[*difference.notes, Finding(code="kernels", figures=share)], figures=figures)
    return Result(findings=[*difference.losses, *difference.notes], figures=figures)


def _interpreted(writer: Observation, reader: Observation, reading: Mapping[str, Any], tolerance: Tolerance) -> Result:
    """The outputs of an interpreter with kernels of its own: against the model's, with the share of other kernels.

    A quantized model has other outputs by design: then the reference is what the writer's own interpreter gave. How far
    that is from the model (`conversion`) is a floor: interpreters quantize activations while they run, where a rounding
    error decides between two steps, and how large such steps are is just what the conversion shows.
    """
    notes: list[Finding] = []
    figures: dict[str, Any] = {}
    expected = writer.section("outputs")
    if not reading["exact"]:
        if reading["outputs"] is None:
            return Result(findings=[Finding(code="interpreter-raises", figures=exception(reading["error"]))])
        moved = _conversion(writer, reading["outputs"])
        figures["conversion"] = number(max(moved.values(), default=0.0))
        if any(moved.values()):
            notes.append(Finding(code="conversion", figures={"max_abs": figures["conversion"]}))
        floor = {name: max(moved.get(name, 0.0), tolerance.floor.get(name, 0.0)) for name in {*moved, *tolerance.floor}}
        expected, tolerance = reading["outputs"], replace(tolerance, floor=floor)
    units = kernel_units(writer)
    difference = compare_results(writer, expected, reader, reader.section("outputs"), tolerance, units=units)
    findings = [*difference.losses, *difference.notes, *notes]
    return Result(findings=findings, figures={**difference.figures(), **figures})


def _conversion(writer: Observation, outputs: References) -> dict[str, float]:
    """How far the outputs of the writer's own artifact are from the model's, where they can be told apart by name."""
    model = writer.section("outputs") or {}
    pairs = {name: (writer.array(model[name]), writer.array(outputs[name])) for name in model if name in outputs}
    moved = {
        name: distance(a, b, Limit(rtol=0.0, atol=0.0)).max_abs
        for name, (a, b) in pairs.items()
        if (a.shape, a.dtype) == (b.shape, b.dtype)
    }
    return {name: value for name, value in moved.items() if math.isfinite(value)}


def compare_results(
    writer: Observation,
    expected: References,
    reader: Observation,
    found: References,
    tolerance: Tolerance,
    *,
    units: Units = base_units,
    prefix: str = "",
) -> Difference:
    """Compares named results of `reader` with those of `writer`, which also says how precisely the model computes.

    `units` are granted of that precision; `prefix` stands before a name in `tolerance.floor`.
    """
    names, structure, notes = _match_names(expected, found, same_kind=writer.kind == reader.kind)
    distances: dict[str, Distance] = {}
    limits: dict[str, Limit] = {}
    for name, other in names.items():
        a, b = writer.array(expected[name]), reader.array(found[other])
        if a.shape != b.shape:
            structure.append(_changed("shape", name, list(a.shape), list(b.shape)))
        elif a.dtype != b.dtype:
            structure.append(_changed("dtype", name, a.dtype, b.dtype))
        else:
            limits[name] = _limit(writer, a, prefix + name, tolerance, units)
            distances[name] = distance(a, b, limits[name])
    return Difference(structure=tuple(structure), notes=tuple(notes), distances=distances, limits=limits)


def _limit(writer: Observation, array: Array, name: str, tolerance: Tolerance, units: Units) -> Limit:
    precision = working_precision(writer, array.dtype)
    return tolerance.limit(name, precision=precision, scale=scale_of(array), units=units)


def _kernel_share(writer: Observation, reader: Observation, tolerance: Tolerance) -> Difference | None:
    """The difference judged with the kernels' share, where the control grants it; else None."""
    control, outputs = reader.control, reader.section("outputs")
    if control is None or not control.get("outputs"):
        return None
    if compare_results(reader, control["outputs"], reader, outputs, tolerance).exceeds:
        return None
    widened = compare_results(writer, writer.section("outputs"), reader, outputs, tolerance, units=kernel_units(writer))
    return None if widened.exceeds else widened


def _match_names(
    expected: References, found: References, *, same_kind: bool
) -> tuple[dict[str, str], list[Finding], list[Finding]]:
    """Which result is which: the writer's name to the reader's; structural differences; notes.

    A Keras model and a raw function name their outputs differently by nature ("" and "dense_1"): then dtype and shape
    decide where they do so alone, and the order where not.
    """
    if expected.keys() == found.keys():
        return {name: name for name in expected}, [], []
    if len(expected) == len(found) == 1:
        (ours,), (theirs,) = expected, found
        code = "renamed" if same_kind else "called"
        found_there = [_changed(code, ours, ours, theirs)]
        return {ours: theirs}, found_there if same_kind else [], [] if same_kind else found_there
    if not same_kind and len(expected) == len(found):
        names = _by_look(expected, found)
        return names, [], [_changed("called", ours, ours, theirs) for ours, theirs in names.items() if ours != theirs]
    structure = [Finding(code="missing", subject=name) for name in expected if name not in found]
    structure += [Finding(code="new", subject=name) for name in found if name not in expected]
    return {name: name for name in expected if name in found}, structure, []


def _changed(code: str, name: str, before: Any, after: Any) -> Finding:
    return Finding(code=code, subject=name, figures={"before": before, "after": after})


def _by_look(expected: References, found: References) -> dict[str, str]:
    names = {name: name for name in expected if name in found}
    left = [name for name in found if name not in names]

    def look(reference: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
        return str(reference["dtype"]), tuple(reference["shape"])

    for name in expected:
        if name not in names:
            alike = [other for other in left if look(found[other]) == look(expected[name])]
            names[name] = (alike or left)[0]
            left.remove(names[name])
    return names
