"""The versions of an axis, and the environment that each of them is: one package moves, as little else as possible.

| axis | what is pinned | packages of |
| --- | --- | --- |
| tensorflow | TensorFlow | its release's own days (`--as-of` for another day) |
| keras | one TensorFlow, and Keras | today: all else is the same for every version |
| numpy, h5py, protobuf | one TensorFlow, and the package | its release's own days |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from packaging.version import InvalidVersion, Version

from tfmatrix.core.choices import AxisName
from tfmatrix.core.environment import Environment, default_python
from tfmatrix.core.errors import UsageError
from tfmatrix.core.hints import did_you_mean
from tfmatrix.core.ids import identified
from tfmatrix.core.packages import NIGHTLIES
from tfmatrix.envs.releases import ANY_PYTHON, Release


class ListReleases(Protocol):
    """`tfmatrix.envs.releases.releases` with its index filled in."""

    def __call__(self, package: str, *, prereleases: bool = False) -> Sequence[Release]:
        """All versions of a package, oldest first."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command line says of the axis. Versions as typed; "" where nothing was."""

    axis: AxisName = AxisName.TENSORFLOW
    good: str
    bad: str
    tensorflow: str = ""
    python: str = ""
    as_of: str = ""
    prereleases: bool = False
    nightlies: bool = False


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Versions from the older end to the newer one, with their releases, and what makes each an environment."""

    name: AxisName
    releases: tuple[Release, ...]
    environment: Callable[[str], Environment]
    tensorflow: str
    python: str
    left_out: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def versions(self) -> tuple[str, ...]:
        """Oldest first."""
        return tuple(release.version for release in self.releases)

    def day(self, version: str) -> str:
        """When a version came out, as far as the index says."""
        found = next((release.uploaded for release in self.releases if release.version == version), None)
        return found.date().isoformat() if found else ""


FindTensorFlow = Callable[[Sequence[Environment]], bool]
"""Whether all of some environments can be resolved."""


def make_axis(asked: Asked, releases: ListReleases, resolves: FindTensorFlow) -> Axis:
    """The axis that was asked for. Raises UsageError for versions that there are not, and what `releases` raises.

    `resolves` is asked which TensorFlow takes both ends of another axis, where none was named.
    """
    if asked.axis is AxisName.TENSORFLOW:
        return _tensorflow_axis(asked, releases)
    good, bad = _version(asked.good, asked), _version(asked.bad, asked)
    everything = releases(asked.axis.value, prereleases=asked.prereleases or good.is_prerelease or bad.is_prerelease)
    tensorflow = asked.tensorflow or _newest_that_takes(asked, releases, resolves)
    python = asked.python or default_python(tensorflow)
    chosen, left_out = _between(asked, good, bad, everything, lambda release: _fits(release, python))
    return Axis(
        name=asked.axis,
        releases=chosen,
        environment=lambda version: _with_package(asked, tensorflow, python, version),
        tensorflow=tensorflow,
        python=python,
        left_out=left_out,
        notes=(),
    )


def _tensorflow_axis(asked: Asked, releases: ListReleases) -> Axis:
    found = list(releases("tensorflow", prereleases=True))
    nightly: dict[str, str] = {}
    if asked.nightlies:
        for package in NIGHTLIES:
            for release in releases(package, prereleases=True):
                nightly[release.version] = package
                found.append(release)
    good, bad = _version(asked.good, asked), _version(asked.bad, asked)
    asked_for = {str(good), str(bad)}
    everything = [
        release
        for release in {release.version: release for release in found}.values()
        if asked.prereleases or release.version in nightly or not release.is_prerelease or release.version in asked_for
    ]
    chosen, left_out = _between(asked, good, bad, everything, lambda release: bool(release.pythons))
    python, notes = (asked.python, ()) if asked.python else _one_python(chosen)
    if python:
        without = [release.version for release in chosen if not _fits(release, python)]
        chosen = tuple(release for release in chosen if release.version not in without)
        left_out += tuple(f"{version} has no wheel for Python {python}" for version in without)
    days = {release.version: release.uploaded for release in chosen}

    def environment(version: str) -> Environment:
        own = python or default_python(version)
        day = days.get(version)
        as_of = asked.as_of or (day.date().isoformat() if version in nightly and day else "release")
        return identified(Environment(id="", tensorflow=version, python=own, as_of=as_of, package=nightly.get(version)))

    return Axis(
        name=asked.axis,
        releases=chosen,
        environment=environment,
        tensorflow="",
        python=python,
        left_out=left_out,
        notes=notes,
    )


def _with_package(asked: Asked, tensorflow: str, python: str, version: str) -> Environment:
    as_of = asked.as_of or ("today" if asked.axis is AxisName.KERAS else "release")
    plain = Environment(id="", tensorflow=tensorflow, python=python, as_of=as_of)
    if asked.axis is AxisName.KERAS:
        return identified(replace(plain, keras=version))
    return identified(replace(plain, with_packages=(f"{asked.axis}=={version}",)))


def _version(text: str, asked: Asked) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise UsageError(
            f'"{text}" is not a version of {asked.axis}',
            expected="an exact version, such as 2.15.1" if asked.axis is AxisName.TENSORFLOW else "an exact version",
            fix="--good and --bad name the two ends",
        ) from None


def _between(
    asked: Asked, good: Version, bad: Version, everything: Sequence[Release], fits: Callable[[Release], bool]
) -> tuple[tuple[Release, ...], tuple[str, ...]]:
    """The releases from one end to the other, and what was left out of them, each with its reason."""
    by_version = {Version(release.version): release for release in everything}
    for end in (good, bad):
        if end not in by_version:
            near = [str(version) for version in sorted(by_version) if version.release[:2] == end.release[:2]]
            raise UsageError(
                f"there is no {asked.axis} {end}" + ("" if asked.prereleases or not end.is_prerelease else " release"),
                expected=f"a version of {asked.axis}" + (f", such as {', '.join(near[-6:])}" if near else ""),
                fix=did_you_mean(str(end), [str(version) for version in by_version]),
            )
    if good == bad:
        raise UsageError("--good and --bad are the same version", expected="two versions with a change between them")
    first, last = min(good, bad), max(good, bad)
    chosen, left_out = [], []
    for version in sorted(by_version):
        release = by_version[version]
        if not first <= version <= last:
            continue
        if release.yanked and version not in (good, bad):
            reason = f": {release.yanked_reason}" if release.yanked_reason else ""
            left_out.append(f"{release.version} was withdrawn{reason}")
        elif not fits(release) and version not in (good, bad):
            left_out.append(f"{release.version} has no wheel here")
        else:
            chosen.append(release)
    return tuple(chosen), tuple(left_out)


def _fits(release: Release, python: str) -> bool:
    """Whether it can be installed: by a wheel for this Python, or by a pure one."""
    numbered = [each for each in release.pythons if each != ANY_PYTHON]
    if not numbered:
        return ANY_PYTHON in release.pythons
    # A stable ABI names the oldest Python only (protobuf: cp37-abi3), and has a pure wheel beside it.
    return python in numbered or (ANY_PYTHON in release.pythons and len(numbered) < 2)


def _one_python(chosen: Sequence[Release]) -> tuple[str, tuple[str, ...]]:
    """One Python for the whole range, the newest up to the default of its newest version; "" where there is none."""
    common = set.intersection(*(set(release.pythons) for release in chosen)) - {ANY_PYTHON}
    newest = default_python(chosen[-1].version)
    usable = sorted((python for python in common if Version(python) <= Version(newest)), key=Version)
    if usable:
        return usable[-1], ()
    pythons = dict.fromkeys(default_python(release.version) for release in chosen)
    note = f"no Python has wheels of all {len(chosen)} versions: Python moves too ({', '.join(pythons)})"
    return "", (note,)


def _newest_that_takes(asked: Asked, releases: ListReleases, resolves: FindTensorFlow) -> str:
    """The newest TensorFlow (the last patch of each minor is tried) that takes both ends of another axis."""
    newest: dict[tuple[int, ...], str] = {}
    for release in releases("tensorflow"):
        if release.is_choosable and Version(release.version) >= Version("2.0"):
            newest[Version(release.version).release[:2]] = release.version
    for tensorflow in sorted(newest.values(), key=Version, reverse=True):
        python = asked.python or default_python(tensorflow)
        ends = [_with_package(asked, tensorflow, python, version) for version in (asked.good, asked.bad)]
        if resolves(ends):
            return tensorflow
    raise UsageError(
        f"no TensorFlow takes {asked.axis} {asked.good} and {asked.bad} alike",
        expected="two versions that one TensorFlow can be installed with",
        fix=f"narrow the range, or search with --axis tensorflow; --tensorflow names one for {asked.axis}",
    )
