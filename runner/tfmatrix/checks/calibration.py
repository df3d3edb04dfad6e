"""The noise floor: what one writer's own repeated processes differ by. Everything below it is no finding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from tfmatrix.checks import course
from tfmatrix.checks.distance import Distance, distance, number
from tfmatrix.checks.observation import Array, Observation
from tfmatrix.checks.tolerance import Tolerance

Noise = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Check to result name to figures (`max_abs`, `max_ulp`), as it is stored with the results."""


def measure_noise(observations: Sequence[Observation]) -> dict[str, dict[str, dict[str, Any]]]:
    """The largest differences among observations of the same scenario in the same environment, by fresh processes.

    Only what differs is named: an empty result says that the writer repeats itself bit for bit. Results whose shape or
    dtype differ among the runs are left out: that is no noise.
    """
    noise: dict[str, dict[str, Distance]] = {}
    for a, b in combinations(observations, 2):
        theirs = dict(_results(b))
        for key, array in _results(a):
            other = theirs.get(key)
            if other is None or (other.dtype, other.shape) != (array.dtype, array.shape):
                continue
            found = distance(array, other)
            if found.unequal:
                check, name = key
                known = noise.setdefault(check, {})
                known[name] = known.get(name, Distance(elements=0)) + found
    return {
        check: {name: {"max_abs": number(d.max_abs), "max_ulp": d.max_ulp} for name, d in sorted(names.items())}
        for check, names in sorted(noise.items())
    }


def with_noise(noise: Noise, given: Callable[[str], tuple[float | None, float | None]]) -> Callable[[str], Tolerance]:
    """What `compare` asks for: check to tolerance, from settings (`given`: check to rtol, atol) and measured noise."""

    def tolerance_for(check: str) -> Tolerance:
        rtol, atol = given(check)
        floor = {name: float(figures["max_abs"]) for name, figures in noise.get(check, {}).items()}
        # NaN or infinity in one run and a number in another is no floor that anything could stay under.
        return Tolerance(
            rtol=rtol, atol=atol, floor={name: value for name, value in floor.items() if np.isfinite(value)}
        )

    return tolerance_for


def _results(observation: Observation) -> Iterator[tuple[tuple[str, str], Array]]:
    """Everything computed: check and result name, as `Tolerance.floor` knows them."""
    for name, reference in (observation.section("outputs") or {}).items():
        yield ("outputs", name), observation.array(reference)
    for signature, found in (observation.section("signatures") or {}).items():
        for name, reference in (found.get("results") or {}).items():
            yield ("signatures", f"{signature}/{name}"), observation.array(reference)
    resume = observation.section("resume")
    if resume is None or resume.get("error"):
        return
    for name, result in course.results(resume, observation.section("weights") or ()):
        yield ("resume", name), result if isinstance(result, Array) else observation.array(result)
