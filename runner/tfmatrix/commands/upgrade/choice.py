"""From what a file pins to one environment. Whatever leaves a choice is an error that names the choices.

Markers are decided for this host and the side's Python; a Python that nothing names is the one that `default_python`
gives, and then no marker on it may decide between versions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from tfmatrix.core.environment import Environment, default_python
from tfmatrix.core.errors import ConfigError
from tfmatrix.core.ids import environment_id
from tfmatrix.core.packages import DECIDING, NIGHTLIES, ONE_PLATFORM, TENSORFLOW
from tfmatrix.envs.lock import NIGHTLY, host_platform
from tfmatrix.envs.pins import Pin, PinFile

PYTHONS = tuple(f"3.{minor}" for minor in range(7, 15))
"""Those for which any TensorFlow 2 has wheels, and a next one."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The environment that a file describes; `pins` are those that were taken, `notes` what it leaves open."""

    environment: Environment
    pins: tuple[Pin, ...]
    notes: tuple[str, ...]


def choose_environment(file: PinFile, *, python: str = "", variables: Iterable[tuple[str, str]] = ()) -> Chosen:
    """The environment of a file; `python` ("3.11") is what is known of it from elsewhere.

    Everything that the file leaves open is resolved as of today, as an installation of it would be.
    """
    pythons = (python,) if python else _pythons_of(file)
    release, pins = _tensorflow(file, pythons)
    chosen = python or _python(pythons, release)
    taken = list(pins)
    keras, others, notes = None, [], []
    for name in [each for each in DECIDING if each not in TENSORFLOW]:
        found = [pin for pin in file.pins if pin.package == name and not pin.group]
        package = _one_version(name, found, chosen, pythons)
        if package is None:
            continue
        pin, specifier = package
        taken.append(pin)
        if name == "keras" and pin.version:
            keras = pin.version
        else:
            others.append(f"{name}{specifier}")
        if not pin.version:
            notes.append(f"{pin.place}: {name}{specifier or ' (any version)'} is a range: today's newest is taken")
    if keras is None and release != NIGHTLY and Version(release) >= Version("2.16.0rc0"):
        notes.append(f"{file.path}: keras is not pinned: today's newest is taken, and it decides more than TensorFlow")
    if not python and len(pythons) != 1:
        notes.append(f"{file.path}: the Python is not pinned: {chosen} is taken (--python says another)")
    environment = Environment(
        id="",
        tensorflow=release,
        python=chosen,
        keras=keras,
        with_packages=tuple(others),
        env=dict(variables),
        as_of="today",
    )
    return Chosen(environment=with_id(environment), pins=tuple(taken), notes=tuple(notes))


def with_id(environment: Environment) -> Environment:
    """The environment under the id that says what sets it apart."""
    return replace(environment, id=environment_id(environment))


# TensorFlow


def _tensorflow(file: PinFile, pythons: Sequence[str]) -> tuple[str, list[Pin]]:
    """The version of TensorFlow ("nightly" for a nightly build), and the pins that say so."""
    asked = [pin for pin in file.tensorflow if not pin.is_constraint]
    if not asked:
        raise _no_tensorflow(file)
    applicable = [pin for pin in file.tensorflow if _applies(pin, pythons)]
    here = [pin for pin in applicable if host_platform().startswith(ONE_PLATFORM.get(pin.package, ""))]
    general = [pin for pin in here if pin.package not in ONE_PLATFORM] or here
    if not [pin for pin in general if not pin.is_constraint]:
        raise ConfigError(
            f"no pin of TensorFlow is for this platform and Python ({host_platform()}, {' or '.join(pythons)}): "
            f"{_listed(asked)}",
            file=file.path,
            line=asked[0].line,
            expected="a TensorFlow for this host",
            fix="run it where the file is for, give another --python, or give --from and --to as versions",
        )
    nightlies = [pin for pin in general if pin.package in NIGHTLIES]
    if nightlies:
        return _nightly(general, nightlies)
    exact = [pin for pin in general if pin.version]
    if not exact:
        raise ConfigError(
            f"TensorFlow is not pinned to one version: {_listed(general)}",
            file=general[0].file,
            line=general[0].line,
            expected="an exact version, such as tensorflow==2.15.1",
            fix=_lock_beside(file) or "pin it, or give --from and --to as versions",
        )
    _refuse_conflict("TensorFlow", exact, general, pythons)
    return _release(exact[0]), exact


def _nightly(general: Sequence[Pin], nightlies: list[Pin]) -> tuple[str, list[Pin]]:
    if len(nightlies) != len(general):
        raise _conflict("TensorFlow", general)
    pinned = [pin for pin in nightlies if pin.version]
    if pinned:
        raise ConfigError(
            f"a nightly build is pinned: {_listed(pinned)}",
            file=pinned[0].file,
            line=pinned[0].line,
            expected="a release: an index keeps nightly builds for some weeks only",
            fix="--to nightly checks today's",
        )
    return NIGHTLY, nightlies


def _release(pin: Pin) -> str:
    try:
        version = Version(pin.version)
    except InvalidVersion:
        version = None
    if version is None or version < Version("2.0.0rc0") or version.local or version.is_devrelease:
        raise ConfigError(
            f"not a release of TensorFlow 2: {pin.package}=={pin.version}",
            file=pin.file,
            line=pin.line,
            expected="a release from 2.0.0 on, such as 2.15.1",
        )
    # 2.15 and 2.15.0 are the same release, and an id has one way to write it.
    numbers = [*version.release, 0, 0][:3]
    return str(Version(str(version).replace(".".join(map(str, version.release)), ".".join(map(str, numbers)), 1)))


def _no_tensorflow(file: PinFile) -> ConfigError:
    in_groups = [pin for pin in file.pins if pin.package in TENSORFLOW and pin.group]
    limited = [pin for pin in file.tensorflow if pin.is_constraint]
    if in_groups:
        where = ", ".join(f"{pin.package} in {pin.group} ({pin.place})" for pin in in_groups)
        what, fix = f"TensorFlow stands only in optional groups: {where}", "export the group: `uv export --extra …`"
        line = in_groups[0].line
    elif limited:
        what, fix, line = f"TensorFlow is only limited, not asked for: {_listed(limited)}", "add it", limited[0].line
    else:
        what, fix, line = "no TensorFlow is named", "name the file that pins it, or give --from and --to", None
    return ConfigError(
        what, file=file.path, line=line, expected=f"one of: {', '.join(TENSORFLOW[:5])}", fix=_lock_beside(file) or fix
    )


def _lock_beside(file: PinFile) -> str:
    if file.kind not in ("pyproject.toml", "requirements.txt"):
        return ""
    names = ("uv.lock", "poetry.lock", "Pipfile.lock", "pylock.toml")
    beside = [name for name in names if (file.path.parent / name).is_file()]
    return f"give the lock beside it: {' or '.join(beside)}" if beside else ""


# Any package


def _one_version(name: str, pins: Sequence[Pin], python: str, pythons: Sequence[str]) -> tuple[Pin, str] | None:
    """The pin that decides a package, and its specifier; None where the file does not name it."""
    here = [pin for pin in pins if _applies(pin, (python,))]
    if not here:
        return None
    _refuse_conflict(name, [pin for pin in here if pin.version], here, (python,))
    possible = [pin for pin in pins if _applies(pin, pythons)]
    if len({pin.version for pin in possible if pin.version}) > 1:
        raise ConfigError(
            f"which {name} it is depends on the Python, which is not given: {_listed(possible)}",
            file=possible[0].file,
            line=possible[0].line,
            expected="one Python",
            fix=f"say --python {python}, or write it into .python-version",
        )
    exact = next((pin for pin in here if pin.version), None)
    if exact is not None:
        return exact, f"=={exact.version}"
    return here[0], str(SpecifierSet(",".join(pin.specifier for pin in here if pin.specifier)))


def _refuse_conflict(name: str, exact: Sequence[Pin], every: Sequence[Pin], pythons: Sequence[str]) -> None:
    versions = {pin.version for pin in exact}
    if len(versions) > 1:
        raise _conflict(name, exact, by_python=len(pythons) > 1 and all(pin.marker for pin in exact))
    for version in versions:
        against = [pin for pin in every if not SpecifierSet(pin.specifier).contains(version, prereleases=True)]
        if against:
            raise _conflict(name, [*exact, *against])


def _conflict(name: str, pins: Sequence[Pin], *, by_python: bool = False) -> ConfigError:
    return ConfigError(
        f"{name} is pinned in ways that exclude each other: {_listed(pins)}",
        file=pins[0].file,
        line=pins[0].line,
        expected=f"one version of {name}",
        fix="say which Python with --python" if by_python else "keep one of them, or give --from and --to as versions",
    )


def _listed(pins: Sequence[Pin]) -> str:
    shown = ", ".join(str(pin) for pin in pins[:6])
    return shown + (f" and {len(pins) - 6} more" if len(pins) > 6 else "")


# Markers and Pythons


def _applies(pin: Pin, pythons: Sequence[str]) -> bool:
    """Whether a pin counts on this host, for any of the Pythons."""
    if not pin.marker:
        return True
    try:
        marker = Marker(pin.marker)
    except ValueError as error:
        raise ConfigError(f"not a marker: {pin.marker!r}", file=pin.file, line=pin.line) from error
    return any(
        # A late patch release: markers that look at those ask for "not before".
        marker.evaluate({"python_version": python, "python_full_version": f"{python}.99", "extra": ""})
        for python in pythons
    )


def _pythons_of(file: PinFile) -> tuple[str, ...]:
    """The Pythons that a file allows."""
    allowed = SpecifierSet(file.python)
    found = tuple(python for python in PYTHONS if allowed.contains(f"{python}.99") or allowed.contains(python))
    if not found:
        raise ConfigError(
            f"no Python fits {file.python}",
            file=file.path,
            line=file.python_line,
            expected=f"one of {PYTHONS[0]} to {PYTHONS[-1]}",
        )
    return found


def _python(pythons: Sequence[str], release: str) -> str:
    """The Python of that release where it is allowed, else the nearest older one, else the nearest newer one."""
    wanted = default_python(release)
    place = PYTHONS.index(wanted)
    return next(python for python in (*reversed(PYTHONS[: place + 1]), *PYTHONS[place + 1 :]) if python in pythons)
