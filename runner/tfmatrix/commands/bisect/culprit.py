"""Which package brought a change, where several moved from one version to the next: one is put back, the others stay.

For each suspect two environments are measured, as far as they can be installed: the newer one with the suspect put
back (does that undo the change?), and the older one with the suspect put forward (does that bring it?).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from packaging.version import Version

from tfmatrix.analysis.diff.surroundings import LEADING, in_words, moved
from tfmatrix.commands.bisect.search import Break, Point, Reading
from tfmatrix.core.environment import Environment
from tfmatrix.core.ids import identified
from tfmatrix.core.packages import KERAS, TENSORFLOW, TF_KERAS, packages_of, version_among

MAX_TRIALS = 8


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One more environment that was measured. `put_back`: the newer one with the suspect of the older one.

    `reading` is None where it could not be installed or measured, for the reason `skipped`; `answer` is whether the
    change was there.
    """

    suspect: str
    put_back: bool
    name: str
    reading: Reading | None
    skipped: str = ""
    changed: bool | None = None

    @property
    def speaks_for(self) -> bool | None:
        """Whether it makes the suspect the one that brought the change; None where it was not measured."""
        return None if self.changed is None else self.changed is not self.put_back


@dataclass(frozen=True, kw_only=True)
class Culprit:
    """What moved with a version, what was tried to tell it apart, and the answer as a sentence."""

    moved: Mapping[str, tuple[str, str]]
    trials: tuple[Trial, ...]
    package: str
    sentence: str


Points = Callable[[Mapping[str, Environment]], Mapping[str, Point]]


def find_culprit(
    change: Break, points: tuple[Point, Point], environments: tuple[Environment, Environment], measure: Points
) -> Culprit:
    """Names the package that brought a change. `points` and `environments` are those before and behind it."""
    old, new = points
    packages = moved(old.described, new.described)
    suspects = [name for name in LEADING if name in packages and name != "python"]
    others = {name: versions for name, versions in packages.items() if name not in LEADING}
    if not packages:
        return Culprit(moved=packages, trials=(), package="", sentence="no package moved: the same environment twice")
    if len(packages) == 1:
        only = next(iter(packages))
        return Culprit(moved=packages, trials=(), package=only, sentence=f"nothing but {in_words(packages)} moved")
    # Keras saves and loads: it is asked first.
    suspects.sort(key=lambda name: (name != "keras", LEADING.index(name)))
    trials: list[Trial] = []
    for suspect in suspects:
        own: list[Trial] = []
        for put_back in (True, False):
            if len(trials) >= MAX_TRIALS:
                break
            trial = _try(change, suspect, put_back=put_back, points=points, environments=environments, measure=measure)
            trials.append(trial)
            own.append(trial)
            if trial.speaks_for is False and put_back:
                break
        answers = [trial.speaks_for for trial in own]
        if True in answers and False not in answers:
            return Culprit(
                moved=packages, trials=tuple(trials), package=suspect, sentence=_because(suspect, own, packages)
            )
    named = [trial.suspect for trial in trials if trial.speaks_for]
    if named:
        sentence = f"{' and '.join(dict.fromkeys(named))} have a part in it, and no package alone explains it"
    elif all(trial.changed is None for trial in trials):
        sentence = f"cannot be told apart: none of {', '.join(suspects)} can be installed without the others"
    else:
        rest = f" (also moved: {in_words(others)})" if others else ""
        sentence = f"none of {', '.join(suspects)} explains it alone{rest}"
    return Culprit(moved=packages, trials=tuple(trials), package="", sentence=sentence)


def _because(suspect: str, own: list[Trial], packages: Mapping[str, tuple[str, str]]) -> str:
    before, after = packages[suspect]
    tries = []
    for trial in own:
        if trial.changed is None:
            tries.append(f"{trial.name} cannot be installed")
        else:
            tries.append(f"{trial.name}: {'changed' if trial.changed else 'as before'}")
    return f"{suspect} {before} → {after} brought it ({'; '.join(tries)})"


def _try(
    change: Break,
    suspect: str,
    *,
    put_back: bool,
    points: tuple[Point, Point],
    environments: tuple[Environment, Environment],
    measure: Points,
) -> Trial:
    skipped = ""
    for name, environment in _candidates(suspect, put_back=put_back, points=points, environments=environments):
        point = measure({environment.id: environment})[environment.id]
        reading = point.cells.get(change.cell)
        if reading is not None and reading.measured:
            changed = reading.signature(change.level) != change.old.signature(change.level)
            return Trial(suspect=suspect, put_back=put_back, name=name, reading=reading, changed=changed)
        skipped = skipped or point.skipped or "the cell could not be measured there"
        last = name
    return Trial(suspect=suspect, put_back=put_back, name=last, reading=None, skipped=skipped)


def _candidates(
    suspect: str, *, put_back: bool, points: tuple[Point, Point], environments: tuple[Environment, Environment]
) -> Iterator[tuple[str, Environment]]:
    """Environments that answer, the strictest first: all other packages pinned, then TensorFlow and Keras alone."""
    base, other = (1, 0) if put_back else (0, 1)
    own, theirs = points[base].described, points[other].described
    versions = moved(theirs, own)
    wanted = versions[suspect][0]
    tensorflow = wanted if suspect == "tensorflow" else environments[base].tensorflow
    keras = wanted if suspect == "keras" else _keras(own)
    name = f"{'newer' if put_back else 'older'} with {suspect} {wanted or 'absent'}"
    if not wanted:
        return
    environment = replace(
        environments[base],
        tensorflow=tensorflow,
        keras=keras or None,
        package=None if suspect == "tensorflow" else environments[base].package,
        as_of="today",
        id="",
    )
    pins = {name: version for name, version in _others(own).items() if name != suspect}
    if suspect not in ("tensorflow", "keras"):
        pins[suspect] = wanted
    yield (
        name,
        identified(
            replace(environment, with_packages=tuple(f"{package}=={version}" for package, version in pins.items()))
        ),
    )
    if suspect in ("tensorflow", "keras"):
        yield f"{name}, other packages free", identified(replace(environment, with_packages=()))
        if put_back and suspect == "keras" and _is_2(wanted) and not _is_2(_keras(own)):
            variables = {**environments[base].env, "TF_USE_LEGACY_KERAS": "1"}
            legacy = replace(environments[base], keras=None, with_packages=(TF_KERAS[0],), env=variables)
            yield f"newer with {TF_KERAS[0]}, the old Keras", identified(legacy)


def _is_2(version: str) -> bool:
    return bool(version) and Version(version).major == 2


def _keras(described: Mapping[str, Any]) -> str:
    return version_among(packages_of(described), KERAS)


def _others(described: Mapping[str, Any]) -> dict[str, str]:
    """Every package but TensorFlow and Keras, as it is pinned."""
    searched = {*TENSORFLOW, *KERAS}
    return {name: version for name, version in packages_of(described).items() if name not in searched}
