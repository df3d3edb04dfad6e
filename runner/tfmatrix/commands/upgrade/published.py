"""What the published map knows of a step from one TensorFlow to another: the shipped scenarios, measured earlier."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import tfmatrix
from tfmatrix.analysis.causes import Cause, find_causes
from tfmatrix.analysis.records import is_measured
from tfmatrix.analysis.upgrades import Upgrade, cells_in_words, judge_upgrade, pairs_of
from tfmatrix.core.environment import uses_tf_keras
from tfmatrix.store.runs import read_run_folder

if TYPE_CHECKING:
    from tfmatrix.core.environment import Environment
    from tfmatrix.store.runs import Run

MOST_CAUSES = 3


@dataclass(frozen=True, kw_only=True)
class PublishedStep:
    """A step of the map. `day` is when it was measured; `causes` rank what breaks or needs a change."""

    day: str
    upgrade: Upgrade
    causes: tuple[Cause, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """What is told of it, one thing a line."""
        step = self.upgrade
        measured = sum(map(is_measured, step.read))
        parts = [f"{cells_in_words(measured)} of files of {step.before} read by {step.after}"]
        if step.breaks:
            parts.append(f"{len(step.breaks)} break{step.untried_in_words}")
        if step.changes:
            parts.append(f"{len(step.changes)} need a change")
        if step.gone:
            parts.append(f"{len(step.gone)} can no longer be written")
        first = (
            f"the published map (measured on {self.day}, the scenarios shipped with tfmatrix) has {', '.join(parts)}: "
            "no answer for your models"
        )
        listed = [
            f"known there: {each.title} ({cells_in_words(len(each.cells))}; {', '.join(each.scenarios[:3])})"
            for each in self.causes[:MOST_CAUSES]
        ]
        return (first, *listed)


def published_step(before: Environment, after: Environment) -> PublishedStep | None:
    """What the map that comes with this tfmatrix has of the step; None where it has no cell of it."""
    folder = _folder()
    if folder is None:
        return None
    run = _map(folder)
    pairs = pairs_of(run.records)
    ids = [str(each) for each in run.header.get("environments") or ()]
    old, new = _nearest(before, ids), _nearest(after, ids)
    if not pairs.get((old, new)):
        return None
    step = judge_upgrade(pairs, old, new)
    causes = find_causes(replace(run, records=(*step.breaks, *step.changes)))
    return PublishedStep(day=str(run.header.get("started") or "")[:10], upgrade=step, causes=tuple(causes))


def _nearest(environment: Environment, ids: Sequence[str]) -> str:
    """The environment of the map with that version and Keras 2 as there, or with the patch of its minor that it has."""
    version, keras = environment.tensorflow, "+tf-keras" if uses_tf_keras(environment) else ""
    if f"{version}{keras}" in ids:
        return f"{version}{keras}"
    alike = re.compile(re.escape(".".join(version.split(".")[:2])) + r"\.\d+" + re.escape(keras))
    return next((each for each in ids if alike.fullmatch(each)), "")


def _folder() -> Path | None:
    """In the package, or in a checkout."""
    package = Path(tfmatrix.__file__).resolve().parent
    places = (package / "published", package.parent.parent / "results" / "published" / "nightly")
    return next((each for each in places if (each / "run.json").is_file()), None)


@cache
def _map(folder: Path) -> Run:
    return read_run_folder(folder)
