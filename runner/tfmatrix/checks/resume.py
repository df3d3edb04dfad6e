"""Check `resume`: the next training steps of the loaded model give the writer's losses.

Two controls make "the optimizer's state was lost" a measurement: the writer itself going on without saving, and the
writer's weights going on with a fresh optimizer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfmatrix.checks.comparison import Observations
from tfmatrix.checks.contract import (
    Kind,
    Result,
    absences,
    absent,
    error,
    exception,
    general_losses,
    loss,
    note,
    nothing,
    raised,
    text,
)
from tfmatrix.checks.distance import Distance, distance, number, scale_of
from tfmatrix.checks.matching import Pair
from tfmatrix.checks.observation import Array, Numbers, Observation
from tfmatrix.checks.tolerance import EPSILON, Tolerance, kernel_units, resume_units, working_precision
from tfmatrix.core.records import Finding

NAME = "resume"
SECTION = "resume"
ORDER = 60
ASPECT = "next training steps"
EXPLAINED_BY = ("weights", "config", "compile", "optimizer", "outputs")
JUDGES_ABSENCE = True

MOST = 0.5
"""Share of the moved weights that must be off before final weights alone fail the check, where the losses agree.

A weight whose true gradient is zero (a bias in front of batch normalization) has a gradient of pure rounding noise, and
Adam makes full steps of it: its value says nothing, and no loss depends on it. A lost optimizer state moves all.
"""


RESTARTED = 0.1
"""How near the loaded model is to the fresh optimizer, as a share of what lies between that and the writer, to be
called restarted. It finds a lost state whose effect on a few losses is smaller than what rounding is granted."""


def _losses(_subject: str, figures: Mapping[str, Any]) -> str:
    """The last losses, in as many digits as tell them apart."""
    known = [float(figures[key]) for key in ("loaded", "writer", "fresh") if figures[key] is not None]
    digits = _digits_that_tell(known)
    ours, theirs, *fresh = (f"{value:.{digits}g}" for value in known)
    sentence = f"loss after {figures['steps']} more steps {ours}, writer {theirs}"
    if not fresh:
        return sentence
    verdict = "restarted from scratch" if figures["restarted"] else "neither goes on nor restarts"
    return f"{sentence}, fresh optimizer {fresh[0]}: {verdict}"


def _digits_that_tell(values: Sequence[float]) -> int:
    """Significant digits that show how the values differ: 4, and up to float32's 9 where they agree in those."""
    for digits in range(4, 9):
        if len({f"{value:.{digits}g}" for value in values}) == len(set(values)):
            return digits
    return 9


def _ends(_subject: str, figures: Mapping[str, Any]) -> str:
    return (
        f"{figures['beyond']} of {figures['moved']} weights that training moves end elsewhere, "
        f"by up to {text(figures['max_abs'])}"
    )


_DIFFERENTLY = "training goes on differently"

FINDINGS: Mapping[str, Kind] = {
    **absences("the loaded model cannot be trained on", "the loaded model cannot be trained on"),
    "restarted": loss("training restarts from scratch", _losses),
    "losses": loss(_DIFFERENTLY, _losses),
    "steps": loss(
        _DIFFERENTLY,
        lambda _subject, figures: f"{figures['after']} steps were made, the writer made {figures['before']}",
    ),
    "weights": loss(_DIFFERENTLY, _ends),
    "step-raises": error(
        "training on raises",
        lambda _subject, figures: f"step {figures['step']} of the training after loading raises {raised(figures)}",
    ),
    # What follows is no loss.
    "some-weights": note(_ends),
    "state-unseen": note(
        lambda _subject, _figures: "a fresh optimizer goes the same way here: its state cannot be seen"
    ),
    "writer-cannot": nothing(lambda _subject, figures: f"the writer itself cannot train on: {raised(figures)}"),
}


def losses(findings: Sequence[Finding], _figures: Mapping[str, Any]) -> list[str]:
    """One thing: where training goes follows from where it starts."""
    return general_losses(FINDINGS, findings)[:1]


@dataclass(frozen=True, kw_only=True)
class _Series:
    """One quantity after the further steps: how far the loaded model is from both controls, and they from each other.

    `unit` is what rounding, other kernels and measured noise alone may come to.
    """

    to_writer: float
    to_fresh: float
    apart: float
    unit: float

    @property
    def shows_state(self) -> bool:
        """Whether a fresh optimizer makes a difference here at all."""
        return self.apart > self.unit

    @property
    def is_restarted(self) -> bool:
        """Whether the loaded model went where the fresh optimizer goes."""
        return self.shows_state and self.to_fresh < self.to_writer and self.to_fresh <= RESTARTED * self.apart


def compare(observations: Observations) -> Result:
    """Figures: losses of the loaded model, the writer and a fresh optimizer; the largest differences; `restarted`."""
    writer, reader = observations.writer, observations.reader
    ours, theirs = writer.section("resume"), reader.section("resume")
    if ours.get("error"):
        return Result(findings=[Finding(code="writer-cannot", figures=exception(ours["error"]))])
    if theirs is None:
        return Result(findings=[absent(observations, SECTION)])
    expected, found = _numbers(ours["losses"]), _numbers(theirs["losses"])
    fresh = ours.get("fresh") or {}
    control = _numbers(fresh["losses"]) if fresh and not fresh.get("error") else None
    figures: dict[str, Any] = {
        "losses": theirs["losses"],
        "writer_losses": ours["losses"],
        "fresh_losses": None if control is None else fresh["losses"],
    }
    if theirs.get("error"):
        where = {"step": len(found) + 1, **exception(theirs["error"])}
        return Result(findings=[Finding(code="step-raises", figures=where)], figures=figures)
    if len(expected) != len(found):
        steps = {"before": len(expected), "after": len(found)}
        return Result(findings=[Finding(code="steps", figures=steps)], figures=figures)
    tolerance = observations.tolerance_for(NAME)
    precision = working_precision(writer, "float32")
    a, b = _as_array(expected), _as_array(found)
    limit = tolerance.limit("losses", precision=precision, scale=scale_of(a), units=resume_units)
    difference = distance(a, b, limit)
    pairs = observations.matching.pairs
    moved, weights = _final_weights(writer, reader, pairs, tolerance)
    controls: list[_Series] = []
    if control is not None:
        granted = tolerance.limit("losses", precision=precision, scale=scale_of(a), units=kernel_units(writer)).atol
        controls.append(_losses_series(a, b, _as_array(control), granted))
    if not any(name.startswith("weights_after/") for name in tolerance.floor):
        controls += _weights_series(writer, reader, pairs)
    restarted = any(series.is_restarted for series in controls)
    figures |= {key: value for key, value in difference.to_json().items() if key.startswith("max_")}
    figures |= {
        "rtol": limit.rtol,
        "atol": limit.atol,
        "restarted": restarted,
        "weights_max_abs": number(weights.max_abs),
        "weights_max_ulp": weights.max_ulp,
        "weights_beyond": weights.beyond,
        "weights_moved": moved,
    }
    findings: list[Finding] = []
    notes: list[Finding] = []
    if difference.beyond or restarted:
        last = {
            "steps": len(found),
            "loaded": theirs["losses"][-1],
            "writer": ours["losses"][-1],
            "fresh": None if control is None else fresh["losses"][-1],
            "restarted": restarted,
        }
        findings.append(Finding(code="restarted" if restarted else "losses", figures=last))
    if weights.beyond:
        is_loss = restarted or weights.beyond > MOST * moved
        ends = {"beyond": weights.beyond, "moved": moved, "max_abs": number(weights.max_abs)}
        (findings if is_loss else notes).append(Finding(code="weights" if is_loss else "some-weights", figures=ends))
    if controls and not any(series.shows_state for series in controls):
        notes.append(Finding(code="state-unseen"))
    return Result(findings=[*findings, *notes], figures=figures)


def _losses_series(writer: Array, reader: Array, fresh: Array, unit: float) -> _Series:
    return _Series(
        to_writer=distance(writer, reader).max_abs,
        to_fresh=distance(fresh, reader).max_abs,
        apart=distance(writer, fresh).max_abs,
        unit=unit,
    )


def _weights_series(writer: Observation, reader: Observation, pairs: Sequence[Pair]) -> list[_Series]:
    """The final weights as one vector, by the root of the sum of squares; none where they were not recorded."""
    ours, theirs = writer.section("resume"), reader.section("resume")
    fresh = (ours.get("fresh") or {}).get("weights_after")
    if not ours.get("weights_after") or not theirs.get("weights_after") or not fresh:
        return []
    squares, units = np.zeros(4), kernel_units(writer)
    for pair in pairs:
        a, f = writer.array(ours["weights_after"][pair.writer.index]), writer.array(fresh[pair.writer.index])
        b = reader.array(theirs["weights_after"][pair.reader.index])
        if not a.is_float or len({(item.dtype, item.shape) for item in (a, b, f)}) > 1:
            continue
        precision = working_precision(writer, a.dtype)
        x, y, z = (np.ravel(item.values) for item in (a, b, f))
        unit = units(precision) * EPSILON[precision]
        squares += [_square(x, y), _square(z, y), _square(x, z), unit**2 * _square(x, np.zeros_like(x))]
    to_writer, to_fresh, apart, unit = (float(value) for value in np.sqrt(squares))
    return [_Series(to_writer=to_writer, to_fresh=to_fresh, apart=apart, unit=unit)]


def _square(a: Numbers, b: Numbers) -> float:
    """The squared distance. What has grown beyond all numbers gives infinity or NaN, which no comparison holds for."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sum(np.abs(np.subtract(a, b, dtype=np.result_type(a, np.float64))) ** 2))


def _final_weights(
    writer: Observation, reader: Observation, pairs: Sequence[Pair], tolerance: Tolerance
) -> tuple[int, Distance]:
    """How many elements training moved, in the writer or in the reader, and how far from each other they ended."""
    ours, theirs = writer.section("resume").get("weights_after"), reader.section("resume").get("weights_after")
    moved, figures = 0, Distance(elements=0)
    if not ours or not theirs:
        return moved, figures
    for pair in pairs:
        a, b = writer.array(ours[pair.writer.index]), reader.array(theirs[pair.reader.index])
        starts = pair.writer.array(), pair.reader.array()
        if not a.is_float or len({(item.dtype, item.shape) for item in (a, b, *starts)}) > 1:
            continue
        mask = (starts[0].stored != a.stored) | (starts[1].stored != b.stored)
        moved += int(np.count_nonzero(mask))
        precision = working_precision(writer, a.dtype)
        name = f"weights_after/{pair.writer.entry['path']}"
        limit = tolerance.limit(name, precision=precision, scale=scale_of(a), units=resume_units)
        figures += distance(_at(a, mask), _at(b, mask), limit)
    return moved, figures


def _at(array: Array, mask: Numbers) -> Array:
    return Array(dtype=array.dtype, stored=array.stored[mask])


def _numbers(losses: Sequence[float | str]) -> list[float]:
    """Losses as numbers: the file has "nan" and "inf" as strings."""
    return [float(loss) for loss in losses]


def _as_array(losses: Sequence[float]) -> Array:
    return Array(dtype="float32", stored=np.array(losses, dtype=np.float32))
