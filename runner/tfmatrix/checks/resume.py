"""Check `resume`: the next training steps of the loaded model go where the writer's go.

Losses, metrics (values and names), trained weights, moving statistics, slots and outputs are each judged by themselves
(see `tfmatrix.checks.course`). Two controls make "the optimizer's state was lost" a measurement: the writer itself
going on without saving, and the writer's weights going on with a fresh optimizer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

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
from tfmatrix.checks.course import Courses, series
from tfmatrix.checks.distance import distance, number, scale_of
from tfmatrix.checks.matching import Pair, without_counter
from tfmatrix.checks.observation import Array, Numbers, Observation
from tfmatrix.checks.observations import Observations
from tfmatrix.checks.presentation import owned_by, owner_of
from tfmatrix.checks.tolerance import EPSILON, Tolerance, kernel_units, working_precision
from tfmatrix.core.records import Finding

NAME = "resume"
SECTION = "resume"
TOLERANCE = True
ORDER = 60
ASPECT = "next training steps"
EXPLAINED_BY = ("weights", "config", "compile", "optimizer", "outputs")
JUDGES_ABSENCE = True

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


_KINDS = {"statistics": "moving statistics", "slots": "the optimizer's slots", "outputs": "the outputs"}


def _ends(subject: str, figures: Mapping[str, Any]) -> str:
    where = f"by up to {text(figures['max_abs'])}"
    if "kind" not in figures:  # in older records
        return f"{figures['beyond']} of {figures['moved']} weights that training moves end elsewhere, {where}"
    kind = _KINDS.get(str(figures["kind"]), "weights")
    said = f"{figures['beyond']} of {figures['moved']} values of {kind} end elsewhere than the writer's"
    return f"{said}: {subject or 'the output'} {where}"


def _metric(subject: str, figures: Mapping[str, Any]) -> str:
    before, after = (_value(figures[key]) for key in ("before", "after"))
    return f"metric {subject!r} after {figures['steps']} more steps {after}, writer {before}"


def _value(value: Any) -> str:
    return text(value) if isinstance(value, float | int | str) else str(value)


def _seed(subject: str, figures: Mapping[str, Any]) -> str:
    where = f"the state of the random generator of {subject}"
    if figures.get("before") is None:
        return f"{where} cannot be seen, and is not compared: further training may draw other random numbers"
    before, after = figures["before"], figures.get("after")
    now = f"is {after}, was {before}" if after is not None else f"({before}) is not kept"
    return f"{where} {now}: further training draws other random numbers, which is not judged here"


_DIFFERENTLY = "training goes on differently"
_NAMES = "metrics have other names"

FINDINGS: Mapping[str, Kind] = {
    **absences("the loaded model cannot be trained on", "the loaded model cannot be trained on"),
    "restarted": loss("training restarts from scratch", _losses),
    "losses": loss(_DIFFERENTLY, _losses),
    "steps": loss(
        _DIFFERENTLY,
        lambda _subject, figures: f"{figures['after']} steps were made, the writer made {figures['before']}",
    ),
    "metric-renamed": loss(
        _NAMES,
        lambda subject, figures: (
            f"metric {subject!r} is called {figures['after']!r} now: what monitors it finds nothing"
        ),
    ),
    "metric-missing": loss(_NAMES, lambda subject, _figures: f"metric {subject!r} is not reported any more"),
    "metric-new": loss(_NAMES, lambda subject, _figures: f"metric {subject!r} is reported, but was not by the writer"),
    "metric": loss("metrics have other values", _metric),
    "weights": loss(_DIFFERENTLY, _ends),
    "statistics": loss("moving statistics end elsewhere after more training", _ends),
    "slots": loss("the optimizer's slots end elsewhere after more training", _ends),
    "outputs": loss("outputs differ after more training", _ends),
    "step-raises": error(
        "training on raises",
        lambda _subject, figures: f"step {figures['step']} of the training after loading raises {raised(figures)}",
    ),
    # What follows is no loss.
    "metrics-here": note(
        lambda _subject, figures: (
            f"metrics are called {', '.join(figures['after'])} here, of a model from the same code, too; "
            f"in the writer {', '.join(figures['before'])}"
        )
    ),
    "metric-more": note(
        lambda subject, _figures: f"{subject!r} is reported, too: this version of Keras reports the loss of each output"
    ),
    "state-unseen": note(
        lambda _subject, _figures: "a fresh optimizer goes the same way here: its state cannot be seen"
    ),
    "states-unmeasured": note(
        lambda _subject, _figures: "weights after the steps are not judged: what rounding comes to was not measured"
    ),
    "silent": note(
        lambda _subject, figures: (
            f"training is compared without what {', '.join(figures['layers'])} draw: another version draws other "
            "numbers"
        )
    ),
    "seed": note(_seed),
    "some-weights": note(_ends),  # in older records only
    "chance": nothing(
        lambda _subject, figures: (
            f"where training goes is not compared: {', '.join(figures['layers'])} draw random numbers in it, another "
            "version of Keras draws others from the same seed, and no code is there to tell what that comes to"
        )
    ),
    "writer-cannot": nothing(lambda _subject, figures: f"the writer itself cannot train on: {raised(figures)}"),
}


def losses(findings: Sequence[Finding], _figures: Mapping[str, Any]) -> list[str]:
    """What does not follow from another: where training goes, or else what of it ends elsewhere; and names."""
    codes = {finding.code for finding in findings}
    named = [FINDINGS["metric-renamed"].loss] if codes & _OF_NAMES else []
    first = next((code for code in _LEADING if code in codes), None)
    if first is None:
        return named or general_losses(FINDINGS, findings)[:1]
    if first == "statistics":
        return [*(_statistic(each) for each in findings if each.code == "statistics"), *named]
    return [FINDINGS[first].loss, *named]


_OF_NAMES = {"metric-renamed", "metric-missing", "metric-new"}
_LEADING = (
    "none",
    "no-keras-model",
    "restarted",
    "losses",
    "steps",
    "statistics",
    "weights",
    "slots",
    "outputs",
    "metric",
)
"""Losses of which the first explains the others: outputs follow from weights, a metric alone from nothing."""


def _statistic(finding: Finding) -> str:
    role = without_counter(finding.subject.rpartition("/")[2])
    return f"`{role}` of {owned_by(finding)} ends elsewhere after more training"


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
    """Figures: losses and metrics of the loaded model and the writer; the largest differences by kind; `restarted`."""
    writer, reader = observations.writer, observations.reader
    ours, theirs = writer.section("resume"), reader.section("resume")
    if ours.get("error"):
        return Result(findings=[Finding(code="writer-cannot", figures=exception(ours["error"]))])
    if theirs is None:
        return Result(findings=[absent(observations, SECTION)])
    fresh = ours.get("fresh") or {}
    control = fresh["losses"] if fresh and not fresh.get("error") else None
    figures: dict[str, Any] = {
        "losses": theirs["losses"],
        "writer_losses": ours["losses"],
        "fresh_losses": control,
        "metrics": theirs.get("metrics") or {},
        "writer_metrics": ours.get("metrics") or {},
    }
    if theirs.get("error"):
        where = {"step": len(theirs["losses"]) + 1, **exception(theirs["error"])}
        return Result(findings=[Finding(code="step-raises", figures=where)], figures=figures)
    if len(ours["losses"]) != len(theirs["losses"]):
        steps = {"before": len(ours["losses"]), "after": len(theirs["losses"])}
        return Result(findings=[Finding(code="steps", figures=steps)], figures=figures)
    tolerance = observations.tolerance_for(NAME)
    courses = courses_of(writer, reader, observations.matching.pairs, tolerance)
    difference, limit = courses.losses(), courses.limit_of_losses()
    controls = _controls(courses, control)
    restarted = any(series.is_restarted for series in controls)
    states = courses.states()
    figures |= {key: value for key, value in difference.to_json().items() if key.startswith("max_")}
    figures |= {"rtol": limit.rtol, "atol": limit.atol, "restarted": restarted}
    for kind, ending in states.items():
        figures |= {
            f"{kind}_max_abs": number(ending.figures.max_abs),
            f"{kind}_beyond": ending.figures.beyond,
            f"{kind}_moved": ending.moved,
        }
    findings: list[Finding] = []
    notes: list[Finding] = []
    if difference.beyond or restarted:
        last = {
            "steps": len(theirs["losses"]),
            "loaded": theirs["losses"][-1],
            "writer": ours["losses"][-1],
            "fresh": None if control is None else control[-1],
            "restarted": restarted,
        }
        findings.append(Finding(code="restarted" if restarted else "losses", figures=last))
    for found in _metrics(courses, reader, observations.same_keras):
        (notes if found.code in _METRIC_NOTES else findings).append(found)
    findings += [
        ending.finding(kind, kind=kind, **owner_of(writer, ending.worst.rpartition("/")[0]))
        for kind, ending in states.items()
        if ending.figures.beyond
    ]
    if not observations.same_keras and control_of(writer, reader, observations.matching.pairs, tolerance) is None:
        findings = _without_chance(findings, writer)
    if ours.get("silent"):
        notes.append(Finding(code="silent", figures={"layers": list(ours["silent"])}))
    if courses.noise is None:
        notes.append(Finding(code="states-unmeasured"))
    if controls and not any(series.shows_state for series in controls):
        notes.append(Finding(code="state-unseen"))
    return Result(findings=[*findings, *notes, *_seeds(writer, reader)], figures=figures)


_OF_THE_COURSE = {"losses", "weights", "statistics", "slots", "outputs", "metric"}
_RATES = ("rate", "dropout", "recurrent_dropout", "stddev")


def _without_chance(findings: list[Finding], writer: Observation) -> list[Finding]:
    """Without where training goes, if layers draw random numbers for it: another Keras draws others from the same seed.

    A model from code, trained here as well, would show what that comes to.
    """
    silent = writer.section(SECTION).get("silent") or ()
    random = dict.fromkeys(str(seed["path"]) for seed in writer.seeds)
    layers = (writer.section("config") or {}).get("layers") or ()
    configs = {entry["path"]: entry.get("config") or {} for entry in layers}
    drawing = [path for path in random if path not in silent and _draws(configs, path)]
    if not drawing or not any(each.code in _OF_THE_COURSE for each in findings):
        return findings
    chance = Finding(code="chance", figures={"layers": drawing})
    return [*(each for each in findings if each.code not in _OF_THE_COURSE), chance]


def _draws(configs: Mapping[str, Mapping[str, Any]], path: str) -> bool:
    """Whether a layer with a random generator uses it in training: those of Keras 2 have one at a rate of 0, too.

    `configs` has the layers' configurations by path. A recurrent layer's cell has its generator, and the layer that it
    is in has its rates.
    """
    while path:
        config = configs.get(path, {})
        if rates := [config[name] for name in _RATES if name in config]:
            return any(rates)
        path = path.rpartition("/")[0]
    return True


def courses_of(writer: Observation, reader: Observation, pairs: Sequence[Pair], tolerance: Tolerance) -> Courses:
    """The writer's course and the loaded model's; both sections are there and have no error."""
    ours, theirs = writer.section(SECTION), reader.section(SECTION)
    return Courses(writer=writer, ours=ours, reader=reader, theirs=theirs, pairs=pairs, tolerance=tolerance)


def control_of(writer: Observation, reader: Observation, pairs: Sequence[Pair], tolerance: Tolerance) -> Courses | None:
    """The writer's course and that of the model from code in the reader; None where there is none that went through."""
    ours, control = writer.section(SECTION), (reader.control or {}).get("resume")
    if not ours or ours.get("error") or not control or control.get("error"):
        return None
    return Courses(
        writer=writer, ours=ours, reader=reader, theirs=control, pairs=pairs, tolerance=tolerance, is_control=True
    )


_METRIC_NOTES = {"metrics-here", "metric-more"}


def _metrics(courses: Courses, reader: Observation, same_keras: bool) -> list[Finding]:
    """What became of the metrics. Names that a model from code has here, too, are no loss; nor are losses by output.

    Keras 2 reports these, early releases of Keras 3 do not (3.4.1), and later ones do again (3.13.2).
    """
    findings = courses.metrics()
    by_output = {f"{name}_loss" for name in (reader.document.get("interface") or {}).get("outputs") or ()}
    if not same_keras:
        findings = [
            replace(each, code="metric-more") if each.code == "metric-new" and each.subject in by_output else each
            for each in findings
        ]
    if any(each.code in _OF_NAMES for each in findings):
        before, after = list(courses.ours.get("metrics") or {}), list(courses.theirs.get("metrics") or {})
        from_code = (((reader.control or {}).get("resume") or {}).get("metrics") or {}).keys()
        if from_code == set(after):
            here = Finding(code="metrics-here", figures={"before": before, "after": after})
            return [here, *(each for each in findings if each.code not in _OF_NAMES)]
    return findings


def _controls(courses: Courses, control: Sequence[Any] | None) -> list[_Series]:
    """The loaded model against the fresh optimizer, by losses and by the final weights."""
    writer, tolerance = courses.writer, courses.tolerance
    found: list[_Series] = []
    if control is not None:
        a, b, fresh = series(courses.ours["losses"]), series(courses.theirs["losses"]), series(control)
        precision = working_precision(writer, "float32")
        granted = tolerance.limit("losses", precision=precision, scale=scale_of(a), units=kernel_units(writer)).atol
        found.append(_losses_series(a, b, fresh, granted))
    if not any(name.startswith("weights_after/") for name in tolerance.floor):
        found += _weights_series(writer, courses.reader, courses.pairs)
    return found


def _seeds(writer: Observation, reader: Observation) -> list[Finding]:
    """Random generators whose state is another one after loading, or cannot be seen."""
    ours, theirs = writer.seeds, reader.seeds
    findings = []
    for place, entry in enumerate(ours):
        other = theirs[place]["state"] if place < len(theirs) else None
        if entry["state"] is None or entry["state"] != other:
            states = {"before": entry["state"], "after": other}
            findings.append(Finding(code="seed", subject=entry["path"], figures=states))
    return findings


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
