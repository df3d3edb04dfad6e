"""Two courses of training from one start, compared kind by kind: losses, metrics, weights, statistics, slots, outputs.

Each kind is judged by itself: where losses agree, a moving average may still end elsewhere, and with it everything
that inference gives from then on.

What rounding alone may come to is measured where the writer's course has `noise`: how far the same steps end from
weights that are some rounding errors off. A weight whose true gradient is zero (a bias in front of batch
normalization) has a gradient of pure rounding noise, and Adam makes full steps of it: there the measured noise is as
large as the steps, and the weight says nothing. Without the measurement the states are not judged.

Under SGD such a weight makes tiny steps of nothing but noise. Rounding errors of a gradient are as large as those of
the terms that it is a sum of, however small the sum: so what the largest step of any weight of the model may be off by
is granted to each of them, and to each slot what the largest values of its name may be off by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tfmatrix.checks.distance import Distance, distance, number, scale_of
from tfmatrix.checks.matching import Pair
from tfmatrix.checks.observation import Array, Numbers, Observation
from tfmatrix.checks.tolerance import Limit, Tolerance, Units, kernel_units, resume_units, working_precision
from tfmatrix.core.records import Finding

NOISE_FACTOR = 8.0
"""Multiple of the measured noise that is granted: it is that of one try, in one direction."""

Course = Mapping[str, Any]
"""A section `resume`, or that of a control."""


@dataclass(kw_only=True)
class Ending:
    """Where one kind of state ended: elements that training moved, how far they are apart, and the worst of them."""

    moved: int = 0
    figures: Distance = field(default_factory=lambda: Distance(elements=0))
    worst: str = ""
    places: int = 0
    largest: float = -1.0

    def add(self, name: str, found: Distance, moved: int) -> None:
        """Counts one tensor in."""
        self.moved += moved
        self.figures += found
        if found.beyond:
            self.places += 1
            if not found.max_abs <= self.largest:
                self.worst, self.largest = name, found.max_abs

    def finding(self, code: str, **figures: Any) -> Finding:
        """That it ended elsewhere; the subject is what is farthest off."""
        known = {"beyond": self.figures.beyond, "moved": self.moved, "max_abs": number(self.figures.max_abs)}
        return Finding(code=code, subject=self.worst, figures={**known, "places": self.places, **figures})


@dataclass(frozen=True, kw_only=True)
class Courses:
    """The writer's course and another one; `pairs` are the variables of both observations that are one.

    `is_control`: the other course is that of a control, which started from the writer's weights and lists them in the
    writer's order.
    """

    writer: Observation
    ours: Course
    reader: Observation
    theirs: Course
    pairs: Sequence[Pair]
    tolerance: Tolerance
    is_control: bool = False

    @property
    def differing(self) -> set[str]:
        """The kinds that ended elsewhere: `losses`, `metrics` and those of `states`."""
        if len(self.ours["losses"]) != len(self.theirs["losses"]):
            return {"losses"}
        found = {kind for kind, ending in self.states().items() if ending.figures.beyond}
        found |= {"losses"} if self.losses().beyond else set()
        return found | ({"metrics"} if self.metrics() else set())

    @property
    def noise(self) -> Mapping[str, Any] | None:
        """What rounding alone comes to; None where it was not measured."""
        found = self.ours.get("noise")
        return found if found and not found.get("error") else None

    def states(self) -> dict[str, Ending]:
        """`weights` (trained ones), `statistics` (what else training moves), `slots`, `outputs`: what is known."""
        found = {"weights": Ending(), "statistics": Ending(), "slots": Ending(), "outputs": Ending()}
        if self.noise is None:
            return found
        self._of_weights(found)
        self._of_slots(found["slots"])
        self._of_outputs(found["outputs"])
        return found

    def metrics(self) -> list[Finding]:
        """Names that changed, and values that differ, of what `fit` reports beside the loss."""
        ours, theirs = self.ours.get("metrics") or {}, self.theirs.get("metrics") or {}
        # Of a loaded model that has no metrics the check `compile` speaks.
        gone, new = [name for name in ours if name not in theirs], [name for name in theirs if name not in ours]
        findings: list[Finding] = []
        for name in gone:
            same = [other for other in new if not self._metric(name, ours[name], theirs[other]).beyond]
            # Of several with the same values the one that has the old name in it.
            same.sort(key=lambda other: (name not in other, other))
            if same:
                new.remove(same[0])
                findings.append(Finding(code="metric-renamed", subject=name, figures={"after": same[0]}))
            else:
                findings.append(Finding(code="metric-missing", subject=name))
        findings += [Finding(code="metric-new", subject=name) for name in new]
        for name in ours:
            if name in theirs and (found := self._metric(name, ours[name], theirs[name])).beyond:
                last = {"before": _last(ours[name]), "after": _last(theirs[name]), "steps": len(ours[name])}
                findings.append(
                    Finding(code="metric", subject=name, figures={**last, "max_abs": number(found.max_abs)})
                )
        return findings

    def losses(self) -> Distance:
        """How far the losses are apart; both courses have as many."""
        return self._series("losses", self.ours["losses"], self.theirs["losses"], (self.noise or {}).get("losses", 0.0))

    def limit_of_losses(self) -> Limit:
        """What is allowed for the losses."""
        return self._limit("losses", series(self.ours["losses"]), (self.noise or {}).get("losses", 0.0))

    def is_near(self, name: str, ours: Any, theirs: Any) -> bool:
        """Whether two series are one, up to rounding."""
        return not self._series(name, ours, theirs, 0.0).beyond

    def _metric(self, name: str, ours: Any, theirs: Any) -> Distance:
        noise = ((self.noise or {}).get("metrics") or {}).get(name, 0.0)
        return self._series(f"metrics/{name}", ours, theirs, noise)

    def _series(self, name: str, ours: Any, theirs: Any, noise: float | str) -> Distance:
        a, b = series(ours), series(theirs)
        if a.shape != b.shape:
            return Distance(elements=a.size, unequal=a.size, beyond=max(a.size, 1), max_abs=float("inf"))
        return distance(a, b, self._limit(name, a, noise))

    def _limit(
        self, name: str, reference: Array, noise: float | str, units: Units = resume_units, scale: float | None = None
    ) -> Limit:
        """`scale` is that of the largest values that the result was made of, where it is not the result's own."""
        precision = working_precision(self.writer, reference.dtype)
        scale = scale_of(reference) if scale is None else scale
        limit = self.tolerance.limit(name, precision=precision, scale=scale, units=units)
        if self.tolerance.is_given:
            return limit
        return Limit(rtol=limit.rtol, atol=limit.atol + NOISE_FACTOR * float(noise))

    def _of_weights(self, found: Mapping[str, Ending]) -> None:
        mine, others = self.ours.get("weights_after"), self.theirs.get("weights_after")
        noise = self._floors("weights")
        if not mine or not others:
            return
        step = max((_step(pair, self.writer.array(mine[pair.writer.index])) for pair in self.pairs), default=0.0)
        for pair in self.pairs:
            index = pair.writer.index
            a = self.writer.array(mine[index])
            b = self.reader.array(others[index if self.is_control else pair.reader.index])
            starts = pair.writer.array(), pair.writer.array() if self.is_control else pair.reader.array()
            if not a.is_float or len({(item.dtype, item.shape) for item in (a, b, *starts)}) > 1:
                continue
            mask = (starts[0].stored != a.stored) | (starts[1].stored != b.stored)
            moved = int(np.count_nonzero(mask))
            name = pair.writer.path
            name_there = f"weights_after/{pair.writer.entry['path']}"
            limit = self._limit(name_there, a, noise[index], scale=max(step, scale_of(a)))
            kind = "statistics" if pair.writer.trainable is False else "weights"
            found[kind].add(name, distance(_at(a, mask), _at(b, mask), limit), moved)

    def _of_slots(self, found: Ending) -> None:
        noise = self._floors("slots")
        place = {pair.reader.index: pair.writer.index for pair in self.pairs}
        others = {
            (slot["slot"], slot["variable"] if self.is_control else place.get(slot["variable"])): slot
            for slot in self.theirs.get("slots_after") or ()
        }
        largest: dict[str, float] = {}
        for slot in self.ours.get("slots_after") or ():
            largest[slot["slot"]] = max(largest.get(slot["slot"], 0.0), scale_of(self.writer.array(slot["array"])))
        for slot, floor in zip(self.ours.get("slots_after") or (), noise, strict=True):
            other = others.get((slot["slot"], slot["variable"]))
            if other is None:
                continue
            a, b = self.writer.array(slot["array"]), self.reader.array(other["array"])
            if not a.is_float or (a.dtype, a.shape) != (b.dtype, b.shape):
                continue
            limit = self._limit(f"slots_after/{slot['slot']}/{slot['path']}", a, floor, scale=largest[slot["slot"]])
            found.add(f"{slot['slot']} of {slot['path']}", distance(a, b, limit), a.size)

    def _of_outputs(self, found: Ending) -> None:
        ours, theirs = self.ours.get("outputs_after") or {}, self.theirs.get("outputs_after") or {}
        if len(ours) != len(theirs):
            return
        floors = (self.noise or {})["outputs"]
        # By name, where the names are the same; the check `outputs` speaks of names.
        others = ours if theirs.keys() == ours.keys() else theirs
        for name, other in zip(ours, others, strict=True):
            a, b = self.writer.array(ours[name]), self.reader.array(theirs[other])
            if not a.is_float or (a.dtype, a.shape) != (b.dtype, b.shape):
                continue
            limit = self._limit(f"outputs_after/{name}", a, floors.get(name, 0.0), self._kernels)
            found.add(name, distance(a, b, limit), a.size)

    def _kernels(self, precision: str) -> float:
        return max(resume_units(precision), kernel_units(self.writer)(precision))

    def _floors(self, kind: str) -> Sequence[float | str]:
        floors: Sequence[float | str] = (self.noise or {})[kind]
        return floors


def _step(pair: Pair, after: Array) -> float:
    """The largest step of a weight from where it started."""
    start = pair.writer.array()
    if not after.is_float or (start.dtype, start.shape) != (after.dtype, after.shape):
        return 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        return scale_of(Array(dtype=after.dtype, stored=np.subtract(after.values, start.values)))


def results(section: Course, weights: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """All that a course gives, by the names that a tolerance knows: series as arrays, tensors as references."""
    yield "losses", series(section["losses"])
    for name, values in (section.get("metrics") or {}).items():
        yield f"metrics/{name}", series(values)
    for entry, reference in zip(weights, section.get("weights_after") or (), strict=False):
        yield f"weights_after/{entry['path']}", reference
    for slot in section.get("slots_after") or ():
        yield f"slots_after/{slot['slot']}/{slot['path']}", slot["array"]
    for path, reference in (section.get("outputs_after") or {}).items():
        yield f"outputs_after/{path}", reference


def series(values: Sequence[Any]) -> Array:
    """Losses or a metric by step as an array: the file has "nan" and "inf" as strings."""
    return Array(dtype="float32", stored=np.array(_numbers(values), dtype=np.float32))


def _numbers(values: Any) -> Any:
    return [_numbers(value) for value in values] if isinstance(values, list | tuple) else float(values)


def _last(values: Sequence[Any]) -> Any:
    return values[-1] if values else None


def _at(array: Array, mask: Numbers) -> Array:
    return Array(dtype=array.dtype, stored=array.stored[mask])
