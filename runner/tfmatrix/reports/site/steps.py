"""The steps from version to version that people ask for, and which format survives them best."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.version import InvalidVersion, Version

from tfmatrix.core.records import CellRecord
from tfmatrix.core.status import Status
from tfmatrix.reports.site.grid import Grid

NEEDS: Mapping[str, tuple[str, ...]] = {
    "the whole model, to train on": ("h5", "keras", "savedmodel", "tf-savedmodel"),
    "predictions only": ("export", "savedmodel-raw", "savedmodel-tfsm", "tf-savedmodel-raw", "tflite"),
    "weights, with the code at hand": ("weights-h5", "weights-h5-legacy", "weights-tf", "checkpoint"),
}
"""What a file is for, and the formats that promise it."""

_PLAIN = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """How often a format held from one version to another: `held` of `measured` cells, every check."""

    format: str
    held: int
    measured: int


@dataclass(frozen=True, kw_only=True)
class Advice:
    """For a step and a need the formats that were measured, the best first."""

    before: str
    after: str
    need: str
    formats: tuple[Kept, ...]


def plain(environments: Sequence[str]) -> list[str]:
    """The environments that are a release of TensorFlow as it is installed, the newest patch of each minor."""
    newest: dict[tuple[int, ...], str] = {}
    for name in environments:
        if _PLAIN.fullmatch(name):
            newest[Version(name).release[:2]] = name
    return [newest[minor] for minor in sorted(newest)]


def asked_for(grid: Grid) -> list[tuple[str, str]]:
    """The commonest steps: over the change of Keras, the newest minors, from Keras 2 to the newest, to nightly."""
    names = plain(grid.environments)
    last_2 = [name for name in names if _keras(grid, name) < 3]
    first_3 = [name for name in names if _keras(grid, name) >= 3]
    found: list[tuple[str, str]] = []
    if last_2 and first_3:
        found += [(last_2[-1], first_3[0]), (last_2[-1], first_3[-1])]
    if len(names) > 1:
        found.append((names[-2], names[-1]))
    with_tf_keras = [name for name in grid.environments if "+tf-keras" in name]
    if last_2 and with_tf_keras:
        found.append((last_2[-1], with_tf_keras[-1]))
    if names and "nightly" in grid.environments:
        found.append((names[-1], "nightly"))
    if first_3 and last_2:
        found.append((first_3[-1], last_2[-1]))
    return list(dict.fromkeys(found))[:6]


def family(grid: Grid, name: str) -> str:
    """The group of the map that an environment stands in."""
    if name == "nightly" or "rc" in name:
        return "previews"
    if "tf-keras" in name:
        return "tf-keras"
    return "Keras 3" if _keras(grid, name) >= 3 else "Keras 2"


def _keras(grid: Grid, name: str) -> int:
    """The major version of the Keras that an environment has; from TensorFlow's where it is not recorded."""
    versions = grid.versions(name)
    try:
        if versions.keras:
            return Version(versions.keras).major
        return 3 if Version(versions.tensorflow or name) >= Version("2.16") else 2
    except InvalidVersion:
        return 3


def advice(grid: Grid) -> Iterator[Advice]:
    """What to choose for each step that people ask for, by need; needs without a measured cell are left out."""
    for before, after in asked_for(grid):
        records = grid.pairs.get((before, after), ())
        for need, formats in NEEDS.items():
            found = [kept for fmt in formats if (kept := _kept(fmt, records)).measured]
            if found:
                ranked = sorted(found, key=lambda kept: (-kept.held / kept.measured, -kept.measured))
                yield Advice(before=before, after=after, need=need, formats=tuple(ranked))


def _kept(fmt: str, records: Sequence[CellRecord]) -> Kept:
    counts = Counter(record.status for record in records if record.format == fmt and record.status.is_measured)
    return Kept(format=fmt, held=counts[Status.PASS], measured=sum(counts.values()))
