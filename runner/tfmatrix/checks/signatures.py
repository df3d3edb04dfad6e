"""Check `signatures`: names, specs and results of a SavedModel's signatures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfmatrix.checks.distance import Distance
from tfmatrix.checks.observation import Observation
from tfmatrix.checks.outputs import compare_results
from tfmatrix.checks.result import Check, judged, not_applicable, raised, text
from tfmatrix.checks.tolerance import Tolerance


def check_signatures(writer: Observation, reader: Observation, tolerance: Tolerance) -> Check:
    """Figures: the number of signatures, and the largest difference of their results."""
    ours, theirs = writer.section("signatures"), reader.section("signatures")
    if not ours and not theirs:
        return not_applicable("the artifact has no signatures")
    losses = [f"signature {name!r} is missing" for name in ours if name not in theirs]
    losses += [f"signature {name!r} is there but was not in the writer" for name in theirs if name not in ours]
    figures = Distance(elements=0)
    for name, expected in ours.items():
        if name not in theirs:
            continue
        found = theirs[name]
        for side in ("inputs", "outputs"):
            losses += _compare_specs(f"{name}.{side}", expected[side], found[side])
        if found.get("error") and not expected.get("error"):
            losses.append(f"signature {name!r} raises {raised(found['error'])}")
        if expected.get("results") is None or found.get("results") is None:
            continue
        difference = compare_results(
            writer, expected["results"], reader, found["results"], tolerance, prefix=f"{name}/"
        )
        figures += difference.total
        losses += [f"signature {name!r}: {sentence}" for sentence in difference.structure]
        losses += [
            f"signature {name!r}: {item.beyond} of {item.elements} values of {output!r} are beyond the tolerance, "
            f"by up to {text(item.max_abs)} ({item.max_ulp} ULP)"
            for output, item in difference.distances.items()
            if item.beyond
        ]
    return judged(losses, [], signatures=len(ours), **figures.to_json())


def _compare_specs(where: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    changes = [f"{where}: {name!r} is missing" for name in ours if name not in theirs]
    changes += [f"{where}: {name!r} is there but was not in the writer" for name in theirs if name not in ours]
    for name, spec in ours.items():
        other = theirs.get(name)
        if other is not None:
            changes += [
                f"{where}.{name}: {key} {spec.get(key)} → {other.get(key)}"
                for key in ("dtype", "shape")
                if spec.get(key) != other.get(key)
            ]
    return changes
