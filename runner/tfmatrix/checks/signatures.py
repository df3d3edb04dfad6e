"""Check `signatures`: names, specs and results of a SavedModel's signatures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tfmatrix.checks.contract import (
    WRONG,
    Kind,
    Result,
    absences,
    absent,
    exception,
    loss,
    nothing,
    raised,
    text,
)
from tfmatrix.checks.distance import Distance
from tfmatrix.checks.observations import Observations
from tfmatrix.checks.outputs import STRUCTURE, compare_results
from tfmatrix.checks.tolerance import base_units, kernel_units
from tfmatrix.core.records import Finding

NAME = "signatures"
SECTION = "signatures"
TOLERANCE = True
ORDER = 70
ASPECT = "signatures"
STORED = True
EXPLAINED_BY = ("weights",)
JUDGES_ABSENCE = True


def _spec(subject: str, figures: Mapping[str, Any]) -> str:
    where = f"{subject}.{figures['side']}.{figures['name']}"
    return f"{where}: {figures['key']} {figures['before']} → {figures['after']}"


def _beyond(subject: str, figures: Mapping[str, Any]) -> str:
    return (
        f"signature {subject!r}: {figures['beyond']} of {figures['elements']} values of {figures['name']!r} are beyond "
        f"the tolerance, by up to {text(figures['max_abs'])} ({figures['max_ulp']} ULP)"
    )


def _result(code: str) -> Kind:
    """A difference of structure of one result, as `outputs` words it."""
    kind = STRUCTURE[code]
    return loss(
        f"signatures: {kind.loss}",
        lambda subject, figures: f"signature {subject!r}: {kind.sentence(figures['name'], figures)}",
    )


_MISSING = "{subject}.{side}s: {name!r} is missing"
_NEW = "{subject}.{side}s: {name!r} is there but was not in the writer"


def _one_sided(side: str, general: str, sentence: str) -> Kind:
    return loss(
        f"signatures: {general}",
        lambda subject, figures: sentence.format(subject=subject, side=side, name=figures["name"]),
    )


FINDINGS: Mapping[str, Kind] = {
    **absences("the loaded model has no signatures", "the signatures are lost"),
    "missing": loss("a signature is missing", lambda subject, _figures: f"signature {subject!r} is missing"),
    "new": loss(
        "a signature is new", lambda subject, _figures: f"signature {subject!r} is there but was not in the writer"
    ),
    "input-missing": _one_sided("input", "an input is missing", _MISSING),
    "input-new": _one_sided("input", "an input is new", _NEW),
    "output-missing": _one_sided("output", "an output is missing", _MISSING),
    "output-new": _one_sided("output", "an output is new", _NEW),
    "spec": loss("the inputs or outputs of a signature changed", _spec),
    WRONG: loss(
        "the writer's own signature cannot be called with the model's inputs",
        lambda subject, figures: (
            f"the writer wrote signature {subject!r} wrong: called with the model's inputs it raises {raised(figures)} "
            "in the writer, too; `model.export` writes one that can be called"
        ),
    ),
    "signature-raises": loss(
        "a signature raises", lambda subject, figures: f"signature {subject!r} raises {raised(figures)}"
    ),
    **{f"result-{code}": _result(code) for code in STRUCTURE},
    "beyond": loss("results of a signature differ", _beyond),
    "no-signatures": nothing(lambda _subject, _figures: "the artifact has no signatures"),
    "interpreter-silent": nothing(
        lambda _subject, _figures: (
            "not compared: the interpreter of this version does not say what a file's signatures are"
        )
    ),
    "keras-model": nothing(
        lambda _subject, figures: f"not looked at in a Keras model: {figures.get('why') or 'no reason was recorded'}"
    ),
}


def compare(observations: Observations) -> Result:
    """Figures: the number of signatures, and the largest difference of their results."""
    writer, reader = observations.writer, observations.reader
    ours, theirs = writer.section(SECTION), reader.section(SECTION)
    if theirs is None and reader.kind == "keras":
        # What a scenario's own loader makes of a SavedModel may be a model again.
        return Result(findings=[Finding(code="keras-model", figures={"why": reader.note(SECTION)})])
    if theirs is None and writer.reading is not None:
        return Result(findings=[Finding(code="interpreter-silent")])
    if theirs is None:
        return Result(findings=[absent(observations, SECTION)])
    if not ours and not theirs:
        return Result(findings=[Finding(code="no-signatures")])
    tolerance = observations.tolerance_for(NAME)
    findings = [Finding(code="missing", subject=name) for name in ours if name not in theirs]
    findings += [Finding(code="new", subject=name) for name in theirs if name not in ours]
    total = Distance(elements=0)
    # An interpreter has kernels of its own, other ones in each version.
    units = base_units if writer.reading is None else kernel_units(writer)
    # What a quantized file computes is judged by `outputs`, which knows how large its steps are.
    is_quantized = writer.reading is not None and not writer.reading["exact"]
    for name, expected in ours.items():
        if name not in theirs:
            continue
        found = theirs[name]
        specs = [
            *_compare_specs(name, "input", expected["inputs"], found["inputs"]),
            *_compare_specs(name, "output", expected["outputs"], found["outputs"]),
        ]
        findings += specs
        if expected.get("error"):
            findings.append(Finding(code=WRONG, subject=name, figures=exception(expected["error"])))
        elif found.get("error"):
            findings.append(Finding(code="signature-raises", subject=name, figures=exception(found["error"])))
        if expected.get("results") is None or found.get("results") is None or is_quantized:
            continue
        difference = compare_results(
            writer, expected["results"], reader, found["results"], tolerance, units=units, prefix=f"{name}/"
        )
        total += difference.total
        # An output that the spec lacks has no result: one loss, not two.
        named = {(each.code.removeprefix("output-"), each.figures["name"]) for each in specs}
        findings += [
            Finding(code=f"result-{each.code}", subject=name, figures={**each.figures, "name": each.subject})
            for each in difference.structure
            if (each.code, each.subject) not in named
        ]
        findings += [
            Finding(code="beyond", subject=name, figures={**item.to_json(), "name": output})
            for output, item in difference.distances.items()
            if item.beyond
        ]
    return Result(findings=findings, figures={"signatures": len(ours), **total.to_json()})


def _compare_specs(signature: str, side: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[Finding]:
    for name in ours:
        if name not in theirs:
            yield Finding(code=f"{side}-missing", subject=signature, figures={"name": name})
    for name in theirs:
        if name not in ours:
            yield Finding(code=f"{side}-new", subject=signature, figures={"name": name})
    for name, spec in ours.items():
        if name in theirs:
            for key in ("dtype", "shape"):
                before, after = spec.get(key), theirs[name].get(key)
                if before != after:
                    figures = {"side": f"{side}s", "name": name, "key": key, "before": before, "after": after}
                    yield Finding(code="spec", subject=signature, figures=figures)
