"""What an installation of a file has: every package, at the version that its own requirements lead to today.

uv resolves it as for the project itself, in whole; what cannot be resolved is an answer of its own, `NotInstallable`.
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from tfmatrix.core.environment import default_python
from tfmatrix.core.errors import ConfigError, InfrastructureError, UsageError
from tfmatrix.core.packages import ONE_PLATFORM, TENSORFLOW
from tfmatrix.envs.index import PRERELEASES
from tfmatrix.envs.lock import KNOWN_OBSTACLES, host_platform
from tfmatrix.envs.pins import Pin, PinFile
from tfmatrix.envs.pins.model import PATCHES
from tfmatrix.envs.releases import Index, releases
from tfmatrix.envs.uv import Uv

REASON_LINES = 5
"""How much of the resolver's reason is told."""

PYTHONS = tuple(f"3.{minor}" for minor in range(7, 15))
"""Those for which any TensorFlow 2 has wheels, and a next one; oldest first."""

_PLATFORMS = {"win32-": "Windows", "darwin-": "macOS", "linux-aarch64": "Linux on ARM"}


class NotInstallable(ConfigError):
    """No set of packages is what the file asks for. `reason` is the resolver's, in at most five lines.

    `source` is what the file was named by, and `number` its place among those that were asked for together.
    """

    source: str = ""
    number: int = 0

    def __init__(self, what: str, *, reason: Sequence[str], file: Path | str, line: int | None = None) -> None:
        self.sentence = what
        self.reason = tuple(reason)
        said = "".join(f"\n    {each}" for each in reason)
        super().__init__(f"{what}{said}", file=file, line=line, fix="change the versions that it names")


@dataclass(frozen=True, kw_only=True)
class Installed:
    """The packages of one installation: names to versions. `compiled` are those that have wheels, but not for this."""

    python: str
    packages: Mapping[str, str]
    compiled: tuple[str, ...] = ()

    @property
    def tensorflow(self) -> str:
        """The distribution of TensorFlow; empty where there is none."""
        return next((name for name in TENSORFLOW if name in self.packages), "")


@dataclass(frozen=True, kw_only=True)
class Installer:
    """Resolves files as of today. `lowest`: of a range that the project itself names, the lowest version."""

    uv: Uv
    index: Index
    lowest: bool = False
    from_source: bool = False
    _known: dict[tuple[PinFile, str], Installed | NotInstallable] = field(default_factory=dict, repr=False)

    def install(self, file: PinFile, python: str) -> Installed | NotInstallable:
        """The file's packages with a Python. ConfigError for a file without TensorFlow, InfrastructureError."""
        key = (file, python)
        if key not in self._known:
            self._known[key] = self._resolve(file, python)
        return self._known[key]

    def pythons(self, file: PinFile, allowed: SpecifierSet) -> tuple[str, ...]:
        """The Pythons that a file may be installed with, the newest first: those with a wheel of its TensorFlow."""
        possible = [each for each in PYTHONS if allows(allowed, each)]
        if not possible:
            raise ConfigError(
                f"no Python fits {allowed}",
                file=file.path,
                line=file.python_line,
                expected=f"one of {PYTHONS[0]} to {PYTHONS[-1]}",
            )
        with_wheels = {each for each in self._with_wheels(file) if _asks_with(file, each)}
        return tuple(reversed([each for each in possible if each in with_wheels] or possible))

    def _with_wheels(self, file: PinFile) -> set[str]:
        """The Pythons for which any TensorFlow that the file allows has a wheel; all where nobody can tell."""
        found: set[str] = set()
        for pin in file.tensorflow:
            if pin.package in ONE_PLATFORM:
                continue
            try:
                early = bool(pin.version) or PRERELEASES in file.options
                listed = releases(pin.package, self._index(file), prereleases=early)
            except (InfrastructureError, UsageError):
                return set(PYTHONS)
            allowed = SpecifierSet(pin.specifier)
            for release in listed:
                if allowed.contains(release.version, prereleases=early) and not release.yanked:
                    found.update(release.pythons)
        return found if found and "any" not in found else set(PYTHONS)

    def _uv(self, file: PinFile) -> Uv:
        return replace(self.uv, index_options=file.options)

    def _index(self, file: PinFile) -> Index:
        return replace(Index.of(self._uv(file)), timeout=self.index.timeout) if file.options else self.index

    def _resolve(self, file: PinFile, python: str) -> Installed | NotInstallable:
        with tempfile.TemporaryDirectory(prefix="tfmatrix-lock-") as folder:
            wanted, limits = Path(folder, "requirements.in"), Path(folder, "constraints.txt")
            asked = [pin.requirement for pin in _here(file) if not pin.is_constraint]
            limited = [pin.requirement for pin in file.pins if pin.is_constraint]
            wanted.write_text("\n".join(asked) + "\n", encoding="utf-8")
            limits.write_text("\n".join([*limited, *_obstacles(file)]) + "\n", encoding="utf-8")
            arguments = [
                "pip",
                "compile",
                "--quiet",
                "--no-header",
                "--no-python-downloads",
                "--python",
                sys.executable,
            ]
            arguments += ["--python-version", python, "--format", "pylock.toml", "--constraints", str(limits)]
            if file.overrides:
                Path(folder, "overrides.txt").write_text("\n".join(file.overrides) + "\n", encoding="utf-8")
                arguments += ["--overrides", str(Path(folder, "overrides.txt"))]
            if self.lowest:
                arguments += ["--resolution", "lowest-direct"]
            result = self._uv(file).run([*arguments, str(wanted)])
        if result.is_unsolvable:
            return NotInstallable(
                f"not installable with Python {python} on {host_platform()}:",
                reason=_reason(result.stderr),
                file=file.path,
                line=next((pin.line for pin in file.tensorflow), None),
            )
        if not result.succeeded:
            raise self.uv.failure(f"{file.path} could not be resolved:", result)
        listed = tomllib.loads(result.stdout).get("packages") or []
        packages: dict[str, str] = {canonicalize_name(each["name"]): str(each.get("version") or "") for each in listed}
        found = Installed(python=python, packages=packages, compiled=self._compiled(listed, self._index(file)))
        if not found.tensorflow:
            raise no_tensorflow(file, python)
        return found

    def _compiled(self, packages: Sequence[Mapping[str, Any]], index: Index) -> tuple[str, ...]:
        """Packages that have wheels, but none for this Python and platform: they would be compiled."""
        without = [each for each in packages if not each.get("wheels") and each.get("sdist")]
        return tuple(f"{each['name']}=={each['version']}" for each in without if _has_wheels(each, index))


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file to be installed: what of it was selected, what it is called, and what else says of the Python."""

    file: PinFile
    shown: str
    beside: tuple[tuple[SpecifierSet, str], ...] = ()

    @cached_property
    def allowed(self) -> SpecifierSet:
        """The Pythons that it may run with: its own word, then that of its neighbours as far as they agree."""
        found = SpecifierSet(self.file.python)
        for specifier, _ in self.beside:
            both = found & specifier
            if any(allows(both, each) for each in PYTHONS):
                found = both
        return found


def choose_python(
    sources: Sequence[Source], installer: Installer, others: Sequence[Collection[str]] = ()
) -> tuple[Installed, ...]:
    """The installations of some files, with one Python for all unless they forbid it: the newest with wheels for all.

    `others` are the Pythons that sides without a file may have. Nothing is compiled from source unless the installer
    may. Raises NotInstallable for the first file that no Python is for.
    """
    lists = [installer.pythons(source.file, source.allowed) for source in sources]
    for python in lists[0]:
        if all(python in each for each in (*lists, *others)):
            found = [_usable(installer, source, python) for source in sources]
            if all(found):
                return tuple(each for each in found if each)
    return _each(sources, lists, installer)


def install_with(sources: Sequence[Source], python: str, installer: Installer) -> tuple[Installed, ...]:
    """The installations of some files with the Python that was named."""
    return _each(sources, [(python,)] * len(sources), installer)


def _each(sources: Sequence[Source], pythons: Sequence[Sequence[str]], installer: Installer) -> tuple[Installed, ...]:
    found = []
    for number, source in enumerate(sources):
        try:
            found.append(_best(installer, source, pythons[number]))
        except NotInstallable as error:
            error.source, error.number = source.shown, number
            raise
    return tuple(found)


def _usable(installer: Installer, source: Source, python: str) -> Installed | None:
    found = installer.install(source.file, python)
    if isinstance(found, NotInstallable) or (found.compiled and not installer.from_source):
        return None
    return found


def _best(installer: Installer, source: Source, pythons: Sequence[str]) -> Installed:
    """The installation with the newest Python that has wheels for all; NotInstallable says why there is none."""
    for python in pythons:
        found = _usable(installer, source, python)
        if found is not None:
            return found
    tried = {python: installer.install(source.file, python) for python in pythons}
    for python, one in tried.items():
        if isinstance(one, Installed):
            raise NotInstallable(
                f"not installable from wheels (Python {python}): {', '.join(one.compiled)} would have to be compiled",
                reason=("--from-source compiles them; another --python may have wheels",),
                file=source.file.path,
                line=next((pin.line for pin in source.file.tensorflow), None),
            )
    usual = next((default_python(pin.version) for pin in source.file.tensorflow if pin.version[:1].isdigit()), "")
    failure = tried.get(usual) or next(iter(tried.values()))
    assert isinstance(failure, NotInstallable)
    raise failure


def no_tensorflow(file: PinFile, python: str) -> ConfigError:
    """The error where an installation has no TensorFlow: it is nowhere, in an optional part, or for another machine."""
    line = next((pin.line for pin in file.every_tensorflow), None)
    optional = [pin for pin in file.every_tensorflow if not pin.is_production]
    if optional and not file.tensorflow:
        return ConfigError(
            f"TensorFlow stands only in optional parts: {parts_in_words(file)}",
            file=file.path,
            line=line,
            expected="the part that production installs",
            fix=f"choose it: {' or '.join(options_for(file))}",
        )
    if not file.every_tensorflow:
        limited = [pin for pin in file.pins if pin.package in TENSORFLOW]
        what = f"TensorFlow is only limited, not asked for: {limited[0]}" if limited else "no TensorFlow is named"
        return ConfigError(
            what, file=file.path, expected="a requirement of TensorFlow", fix="name the file that has it, with --to"
        )
    only = next((_PLATFORMS[ONE_PLATFORM[pin.package]] for pin in file.tensorflow if pin.package in ONE_PLATFORM), "")
    listed = ", ".join(str(pin) for pin in file.tensorflow[:3])
    return ConfigError(
        f"its TensorFlow is not for this machine ({host_platform()}, Python {python})"
        f"{f', but for {only} only' if only else ''}: {listed}",
        file=file.path,
        line=line,
        expected="a TensorFlow for this machine",
        fix="give another --python, or --from and --to as versions",
    )


def parts_in_words(file: PinFile) -> str:
    """Which optional parts have TensorFlow, and which: `the extra tf-old (tensorflow==2.14.1)`."""
    found: dict[str, list[str]] = {}
    for pin in file.every_tensorflow:
        if pin.is_production:
            continue
        part = f"the extra {pin.extra}" if pin.extra else f"the development group {pin.group}"
        found.setdefault(part, []).append(f"{pin.package}{pin.specifier}")
    return ", ".join(f"{part} ({', '.join(dict.fromkeys(listed))})" for part, listed in found.items())


def options_for(file: PinFile) -> tuple[str, ...]:
    """The options that choose the parts of a file that have TensorFlow."""
    optional = [pin for pin in file.every_tensorflow if not pin.is_production]
    return tuple(dict.fromkeys(f"--extra {pin.extra}" if pin.extra else f"--group {pin.group}" for pin in optional))


def _has_wheels(package: Mapping[str, Any], index: Index) -> bool:
    try:
        files = index.files(package["name"])
    except InfrastructureError:
        return False
    for each in files:
        try:
            version = parse_wheel_filename(each.name)[1]
        except (InvalidWheelFilename, ValueError):
            continue
        if version == Version(package["version"]):
            return True
    return False


def _here(file: PinFile) -> list[Pin]:
    """Without TensorFlow's distributions for other platforms, which a list frozen there has beside the usual one."""
    here = [pin for pin in file.pins if _is_for(pin, host_platform())]
    return here if any(pin.package in TENSORFLOW for pin in here) else list(file.pins)


def _is_for(pin: Pin, platform: str) -> bool:
    return bool(pin.marker) or platform.startswith(ONE_PLATFORM.get(pin.package, ""))


def _obstacles(file: PinFile) -> list[str]:
    """What TensorFlow fails to say of its dependencies, where the file itself does not say it either."""
    named = {pin.package for pin in file.pins}
    version = next((pin.version for pin in file.tensorflow if pin.version), "")
    if not version:
        return []
    return [
        each.constraint
        for each in KNOWN_OBSTACLES
        if SpecifierSet(each.tensorflow, prereleases=True).contains(version)
        and canonicalize_name(each.constraint.partition("<")[0]) not in named
    ]


def _asks_with(file: PinFile, python: str) -> bool:
    """Whether the markers of its TensorFlow let the file ask for any with this Python."""
    here = {"python_version": python, "python_full_version": f"{python}.0"}
    return any(not pin.marker or Marker(pin.marker).evaluate(here) for pin in file.tensorflow)


def allows(specifier: SpecifierSet, python: str) -> bool:
    """Whether any patch release of a Python ("3.10") is in a specifier: `==3.10.13` is what conda exports."""
    return any(specifier.contains(f"{python}.{patch}") for patch in PATCHES)


def _reason(text: str) -> list[str]:
    """The resolver's own words, folded to a few lines."""
    said = " ".join(text.split())
    said = said.partition("cause: ")[2] or said
    said = said.partition(" hint: ")[0]
    # Sentence by sentence: the first ones name what excludes what.
    sentences = [
        each.strip() for each in said.replace(". And ", ".\nAnd ").replace(". Because ", ".\nBecause ").split("\n")
    ]
    lines = [each if len(each) <= 400 else each[:399].rstrip() + "…" for each in sentences if each]
    return lines[:REASON_LINES]
