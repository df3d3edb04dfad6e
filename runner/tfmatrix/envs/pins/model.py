"""The words for what a file of requirements says."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.packages import TENSORFLOW

_OPTIONS = re.compile(r"\s--?[A-Za-z].*$")
"""Of one requirement: --hash, --config-settings, -C and the like. For pip the first of them ends the requirement."""


NEVER = "python_version < '0'"
"""The marker of what is nowhere installed."""

PATCHES = (99, *range(99))
"""Patch releases that a Python may ever have; first the last, which most ranges allow."""


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One package in one place of a file.

    `version` is exact, or empty where the file gives only a range (`specifier`, perhaps empty: anything). `marker` is
    its environment marker (PEP 508) or empty. `is_constraint`: it limits the package, but does not ask for it.
    `extra` or `group` names the optional part that it stands in; both empty for what every installation gets.
    `wants` are the extras of the package itself, as in tensorflow[and-cuda].
    """

    package: str
    version: str
    specifier: str
    file: Path
    line: int | None
    marker: str = ""
    is_constraint: bool = False
    extra: str = ""
    group: str = ""
    wants: tuple[str, ...] = ()

    @property
    def requirement(self) -> str:
        """As pip and uv read it, for what every installation gets."""
        wants = f"[{','.join(self.wants)}]" if self.wants else ""
        return f"{self.package}{wants}{self.specifier}" + (f" ; {self.marker}" if self.marker else "")

    @property
    def is_production(self) -> bool:
        """Whether every installation has it."""
        return not self.extra and not self.group

    @property
    def place(self) -> str:
        """`requirements.txt:3`."""
        return f"{self.file}" + (f":{self.line}" if self.line else "")

    def __str__(self) -> str:
        what = f"{self.package}=={self.version}" if self.version else f"{self.package}{self.specifier}"
        when = f" ; {self.marker}" if self.marker else ""
        return f"{what}{when} ({self.place})"


@dataclass(frozen=True, kw_only=True)
class Note:
    """What of a file is left out or chosen, and where it stands."""

    file: Path
    line: int | None = None
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}" if self.line else f"{self.file}: {self.what}"


def not_of_an_index(file: Path, line: int | None, package: str) -> Note:
    """The note on a package that comes from a repository, an archive or a folder."""
    return Note(file=file, line=line, what=f"{package} comes from an address, not from a package index: left out")


@dataclass(frozen=True, kw_only=True)
class PinFile:
    """A file as read: every package that it names, and the Python that it asks for, as a specifier or empty.

    `options` are index options as lines of a requirements file. `notes` say what of the file is left out, and why.
    `extras` and `groups` are the optional parts there are; those of `default_groups` are installed where nobody says
    otherwise. `reads` are the other files that it names. `wanted` are the packages that the project itself asks for,
    where the file tells them from those that these need. `env` are variables that the file sets. `overrides`
    are requirements that stand for whatever else is said of their packages.
    """

    path: Path
    kind: str
    pins: tuple[Pin, ...]
    python: str = ""
    python_line: int | None = None
    options: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    default_groups: tuple[str, ...] = ()
    reads: tuple[Path, ...] = ()
    wanted: tuple[str, ...] | None = None
    env: tuple[tuple[str, str], ...] = ()
    overrides: tuple[str, ...] = ()

    @property
    def every_tensorflow(self) -> tuple[Pin, ...]:
        """The pins of TensorFlow itself, wherever they stand."""
        return tuple(pin for pin in self.pins if pin.package in TENSORFLOW and not pin.is_constraint)

    @property
    def tensorflow(self) -> tuple[Pin, ...]:
        """The pins of TensorFlow itself that every installation gets."""
        return tuple(pin for pin in self.every_tensorflow if pin.is_production)

    def selected(self, extras: Collection[str] = (), groups: Collection[str] = ()) -> PinFile:
        """What an installation with these extras and groups gets, all of it as production.

        Without any, where production has no TensorFlow, the groups that the project's tool installs by default.
        Raises ConfigError for an extra or group that there is not.
        """
        for word, given, known in (("extra", extras, self.extras), ("group", groups, self.groups)):
            unknown = [each for each in given if canonicalize_name(each) not in map(canonicalize_name, known)]
            if unknown:
                raise ConfigError(
                    f'there is no {word} "{unknown[0]}"',
                    file=self.path,
                    expected=f"one of: {', '.join(known)}" if known else f"a file with {word}s",
                )
        notes = self.notes
        if not extras and not groups and not self.tensorflow:
            chosen = [pin.group for pin in self.every_tensorflow if pin.group in self.default_groups]
            groups = tuple(dict.fromkeys(chosen))
            if groups:
                listed = ", ".join(groups)
                notes = (
                    *notes,
                    Note(file=self.path, what=f"TensorFlow stands in the development group {listed}: taken with it"),
                )
        with_extras = {canonicalize_name(each) for each in extras}
        with_groups = {canonicalize_name(each) for each in groups}
        pins = tuple(
            replace(pin, extra="", group="")
            for pin in self.pins
            if pin.is_production
            or (pin.extra and canonicalize_name(pin.extra) in with_extras)
            or (pin.group and canonicalize_name(pin.group) in with_groups)
        )
        return replace(self, pins=pins, notes=notes)

    def shown_as(self, path: Path, folder: Path, shown: Path) -> PinFile:
        """The file under another name: every path as seen from `folder`, and as if that were `shown`."""
        here = folder.absolute()

        def renamed(each: Path) -> Path:
            # What has nothing in common with the folder keeps its name: an address, another place of the machine.
            if each.parts[:2] != here.parts[:2]:
                return each
            return Path(os.path.normpath(shown / os.path.relpath(each, here)))

        prefix = "" if shown == Path() else f"{shown}/"
        return replace(
            self,
            path=path,
            pins=tuple(replace(pin, file=renamed(pin.file)) for pin in self.pins),
            notes=tuple(
                replace(note, file=renamed(note.file), what=note.what.replace(f"{folder}/", prefix))
                for note in self.notes
            ),
            reads=tuple(map(renamed, self.reads)),
        )


def pin_of(
    text: str,
    file: Path,
    line: int | None,
    *,
    is_constraint: bool = False,
    extra: str = "",
    group: str = "",
    marker: str = "",
) -> Pin:
    """The pin that a requirement is. ConfigError for what is none; see `located` for one from an address."""
    requirement = parse_requirement(text, file, line)
    own = str(requirement.marker or "")
    both = f"({own}) and ({marker})" if own and marker else own or marker
    specifier = requirement.specifier
    if requirement.url:
        version = version_in(requirement.url)
        specifier = SpecifierSet(f"=={version}" if version else "")
    return Pin(
        package=canonicalize_name(requirement.name),
        version=exact_version(specifier),
        specifier=str(specifier),
        file=file,
        line=line,
        marker=both,
        is_constraint=is_constraint,
        extra=extra,
        group=group,
        wants=tuple(sorted(requirement.extras)),
    )


def overrides_of_lock(overrides: Iterable[str], pins: Collection[Pin]) -> tuple[str, ...]:
    """Overrides at the versions that a lock has for their packages; one without any version there stays as it is."""
    found: list[str] = []
    for each in overrides:
        name = canonicalize_name(Requirement(each).name)
        locked = [f"{pin.package}{pin.specifier}" + (f" ; {pin.marker}" if pin.marker else "") for pin in pins
                  if pin.package == name and pin.version]  # fmt: skip
        found += locked or [each]
    return tuple(dict.fromkeys(found))


def version_in(address: str) -> str:
    """The version that the wheel of an address or path has by its file's name, without a local part; else empty."""
    name = address.partition("#")[0].rstrip("/").rpartition("/")[2]
    try:
        return parse_wheel_filename(name)[1].public
    except (InvalidWheelFilename, InvalidVersion):
        return ""


def exact_version(specifier: SpecifierSet) -> str:
    """The one version that a specifier allows, or nothing where it is a range."""
    for each in specifier:
        if each.operator in ("==", "===") and not each.version.endswith(".*"):
            return each.version
    return ""


def parse_requirement(text: str, file: Path, line: int | None) -> Requirement:
    """A requirement, or the ConfigError that names its line."""
    # pip takes a marker that is empty.
    cleaned = _OPTIONS.sub("", text).strip().rstrip(";").rstrip()
    try:
        return Requirement(cleaned)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"not a requirement: {text[:80]!r} ({reason})",
            file=file,
            line=line,
            expected="a package and its version, such as tensorflow==2.15.1",
        ) from error


def python_specifier(value: str, path: Path, line: int | None) -> str:
    """A version constraint as a specifier (PEP 440), also one of Poetry: `^3.9`, `~3.9`, `3.11`, `*`, `a || b`."""
    from poetry.core.constraints.version import parse_constraint
    from poetry.core.constraints.version.exceptions import ParseConstraintError

    try:
        return str(SpecifierSet(value))
    except InvalidSpecifier:
        pass
    try:
        constraint = parse_constraint(value)
    except (ParseConstraintError, ValueError) as error:
        raise ConfigError(
            f"not a version constraint: {value!r}", file=path, line=line, expected='such as ">=3.9,<3.12"'
        ) from error
    return ",".join(_pythons_without(constraint)) if not constraint.is_any() else ""


def _pythons_without(constraint: object) -> Sequence[str]:
    """A constraint of Poetry as exclusions: what it does not allow of the Pythons that TensorFlow 2 ever had."""
    from poetry.core.constraints.version import Version as PoetryVersion

    parts = []
    for minor in range(6, 21):
        patches = (PoetryVersion.parse(f"3.{minor}.{patch}") for patch in PATCHES)
        if not any(constraint.allows(each) for each in patches):  # type: ignore[attr-defined]
            parts.append(f"!=3.{minor}.*")
    return ["<4", *parts]


def line_with(text: str, *words: str) -> int | None:
    """The number of the first line with one of these words, the first of them preferred."""
    lines = text.splitlines()
    for word in words:
        found = next((number for number, line in enumerate(lines, start=1) if word in line), None)
        if found is not None:
            return found
    return None


def line_of(text: str, whole: str) -> int | None:
    """The number of the first line that is this, but for white space around it."""
    return next((number for number, line in enumerate(text.splitlines(), start=1) if line.strip() == whole), None)
