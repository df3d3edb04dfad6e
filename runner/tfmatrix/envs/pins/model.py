"""The words for what a requirements or lock file says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tfmatrix.core.errors import ConfigError
from tfmatrix.core.packages import DECIDING, TENSORFLOW

Include = Callable[[Path], str]
"""Reads another file that a file names (`-r base.txt`); from the same commit where the first one is from git."""


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One package in one place of a file.

    `version` is exact, or empty where the file gives only a range (`specifier`, perhaps empty: anything). `marker` is
    its environment marker (PEP 508) or empty. `is_constraint`: it limits the package, but does not ask for it.
    `group` names the optional group it stands in; empty for what every installation gets.
    """

    package: str
    version: str
    specifier: str
    file: Path
    line: int | None
    marker: str = ""
    is_constraint: bool = False
    group: str = ""

    @property
    def place(self) -> str:
        """`requirements.txt:3`."""
        return f"{self.file}" + (f":{self.line}" if self.line else "")

    def __str__(self) -> str:
        what = f"{self.package}=={self.version}" if self.version else f"{self.package}{self.specifier}"
        when = f" ; {self.marker}" if self.marker else ""
        return f"{what}{when} ({self.place})"


@dataclass(frozen=True, kw_only=True)
class PinFile:
    """A file as read: the pins of packages that matter, and the Python that it asks for, as a specifier or empty."""

    path: Path
    kind: str
    pins: tuple[Pin, ...]
    python: str = ""
    python_line: int | None = None

    @property
    def tensorflow(self) -> tuple[Pin, ...]:
        """The pins of TensorFlow itself that every installation gets."""
        return tuple(pin for pin in self.pins if pin.package in TENSORFLOW and not pin.group)


def pin_of(
    requirement: Requirement, file: Path, line: int | None, *, is_constraint: bool = False, group: str = ""
) -> Pin | None:
    """The pin that a requirement is; None for a package that does not matter. ConfigError for one from a URL."""
    name = canonicalize_name(requirement.name)
    if name not in DECIDING:
        return None
    if requirement.url:
        raise from_elsewhere(name, file, line)
    return Pin(
        package=name,
        version=exact_version(requirement.specifier),
        specifier=str(requirement.specifier),
        file=file,
        line=line,
        marker=str(requirement.marker or ""),
        is_constraint=is_constraint,
        group=group,
    )


def exact_version(specifier: SpecifierSet) -> str:
    """The one version that a specifier allows, or nothing where it is a range."""
    for each in specifier:
        if each.operator in ("==", "===") and not each.version.endswith(".*"):
            return each.version
    return ""


def from_elsewhere(name: str, file: Path, line: int | None) -> ConfigError:
    """The error for a package that does not come from a package index."""
    return ConfigError(
        f"{name} comes from an address or a folder",
        file=file,
        line=line,
        expected=f"a version of the package index, such as {name}==2.15.1",
        fix="give --from and --to as versions instead",
    )


def parse_requirement(text: str, file: Path, line: int | None) -> Requirement:
    """A requirement, or the ConfigError that names its line."""
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"not a requirement: {text[:80]!r} ({reason})",
            file=file,
            line=line,
            expected="a package and its version, such as tensorflow==2.15.1",
        ) from error
