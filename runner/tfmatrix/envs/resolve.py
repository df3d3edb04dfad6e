"""The one way to an environment: from an id, a version or selector, a file that pins it, or that file in a commit."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tfmatrix.core.environment import FIRST_WITH_KERAS_3, Environment, default_python
from tfmatrix.core.errors import ConfigError, InfrastructureError, UsageError
from tfmatrix.core.hints import did_you_mean
from tfmatrix.core.ids import identified
from tfmatrix.core.packages import NIGHTLIES, TENSORFLOW
from tfmatrix.core.version_selectors import NIGHTLY
from tfmatrix.envs.git import Commit
from tfmatrix.envs.installation import (
    PYTHONS,
    Installed,
    Installer,
    NotInstallable,
    Source,
    allows,
    choose_python,
    install_with,
    no_tensorflow,
    options_for,
    parts_in_words,
)
from tfmatrix.envs.pins import (
    Found,
    Pin,
    PinFile,
    file_kinds,
    find_files,
    is_pin_file,
    python_beside,
    read_pins,
)
from tfmatrix.envs.releases import Index, releases, resolve_selector
from tfmatrix.envs.uv import Uv

LEGACY_KERAS = "TF_USE_LEGACY_KERAS"
TF_KERAS = "tf-keras"

_GPU = re.compile(r"nvidia-|triton$|tensorrt")


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """An environment, where it comes from, and what of that should be known. `file` and `pins`: of a file."""

    environment: Environment
    source: str
    file: Path | None = None
    pins: tuple[Pin, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Named:
    """What stands for one environment: a text, or a file, perhaps in a commit."""

    text: str = ""
    file: Path | None = None
    commit: Commit | None = None


@dataclass(frozen=True, kw_only=True)
class Resolver:
    """Makes environments. `known` are those of matrix.yaml, by id; `folder` is the base of relative paths.

    `extras` and `groups` choose optional parts of files; `python` and `variables` are those of the command line.
    """

    uv: Uv
    index: Index
    folder: Path
    known: Mapping[str, Environment]
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    python: str = ""
    variables: Mapping[str, str]
    lowest: bool = False
    from_source: bool = False

    def resolve(self, named: Sequence[Named]) -> tuple[Resolved, ...]:
        """The environments, with one Python for all of them unless that cannot be.

        Raises NotInstallable for a file that no packages fit; UsageError or ConfigError, with the choices, for
        everything that could mean several things; InfrastructureError where the index does not answer.
        """
        sources = {number: self._source(each) for number, each in enumerate(named) if each.file is not None}
        plain = {number: self._of_text(each.text) for number, each in enumerate(named) if each.file is None}
        installer = Installer(uv=self.uv, index=self.index, lowest=self.lowest, from_source=self.from_source)
        try:
            if self.python:
                installed = install_with(tuple(sources.values()), self.python, installer)
            else:
                others = [self._pythons(one.environment) for one in plain.values()] if sources else []
                installed = choose_python(tuple(sources.values()), installer, others) if sources else ()
        except NotInstallable as error:
            error.number = list(sources)[error.number]
            raise
        found = {
            number: self._of_installation(source, one)
            for (number, source), one in zip(sources.items(), installed, strict=True)
        }
        found |= self._one_python(plain, {one.environment.python for one in found.values()})
        pythons = [found[number].environment.python for number in sorted(sources)]
        if len(set(pythons)) > 1:
            found[max(sources)] = _moved(found[max(sources)], pythons)
        return tuple(found[number] for number in range(len(named)))

    # Files

    def _source(self, named: Named) -> Source:
        assert named.file is not None
        if named.commit is None:
            path = self.folder / named.file
            try:
                file = _shown(read_pins(path, self.uv), self.folder)
                return self._selected(file, str(named.file), python_beside(path.parent, self.uv))
            except ConfigError as error:
                raise _relative(error, self.folder) from error
        top = named.commit.checkout()
        path = top / named.commit.inside(self.folder / named.file)
        if not path.is_file():
            raise ConfigError(
                f"there is no such file there (in {named.commit.name})",
                file=named.file,
                expected="the file with the old pins",
                fix="give the old versions with --from",
            )
        project = top / named.commit.inside(self.folder)
        try:
            file = _shown(read_pins(path, self.uv), project)
            beside = python_beside(path.parent, self.uv)
            return self._selected(file, f"{named.file} in {named.commit.name}", beside, is_old=True)
        except ConfigError as error:
            raise _relative(error, project, f" (in {named.commit.name})") from error

    def _selected(
        self, file: PinFile, shown: str, beside: tuple[tuple[SpecifierSet, str], ...], *, is_old: bool = False
    ) -> Source:
        extras, groups = self.extras, self.groups
        if is_old:
            # A part that this very change adds is not there yet.
            extras = tuple(each for each in extras if each in file.extras)
            groups = tuple(each for each in groups if each in file.groups)
        chosen = file.selected(extras, groups)
        if not chosen.tensorflow:
            raise no_tensorflow(file, self.python or "any")
        return Source(file=chosen, shown=shown, beside=beside)

    def _of_installation(self, source: Source, installed: Installed) -> Resolved:
        file, packages = source.file, dict(installed.packages)
        notes = [str(each) for each in file.notes]
        name = installed.tensorflow
        pins = [pin for pin in file.tensorflow if packages.get(pin.package)]
        if name in NIGHTLIES:
            _refuse_old_nightly(pins)
        release = NIGHTLY if name in NIGHTLIES else _release(packages[name], file)
        notes += _of_ranges(pins, packages)
        if not self.python and not _is_pinned(source):
            notes.append(
                f"{file.path}: the Python is not pinned: {installed.python} is taken, the newest for which everything "
                "has wheels (--python says another)"
            )
        dropped = [each for each in packages if _GPU.match(each)]
        if dropped:
            notes.append(f"{file.path}: {len(dropped)} packages for GPUs are left out: cells run on the CPU")
        keras = packages.get("keras") if release != NIGHTLY else None
        others = {
            each: version
            for each, version in packages.items()
            if version and each not in dropped and each not in TENSORFLOW
        }
        others.pop("keras", None)
        environment = Environment(
            id="",
            tensorflow=release,
            python=installed.python,
            keras=keras or None,
            with_packages=tuple(f"{each}=={version}" for each, version in sorted(others.items()) if version),
            env=dict(file.env),
            as_of="today",
            index_options=file.options,
            overrides=_at_installed(file.overrides, packages),
        )
        asks = TF_KERAS in others and (file.wanted is None or TF_KERAS in file.wanted)
        environment, said = self._with_variables(environment, asks=asks)
        notes += [f"{file.path}: {each}" for each in said]
        return Resolved(
            environment=self._identified(environment),
            source=source.shown,
            file=file.path,
            pins=tuple(pin for pin in file.pins if pin.package in packages and not pin.is_constraint),
            notes=tuple(notes),
        )

    # Texts

    def _of_text(self, text: str) -> Resolved:
        if text in self.known:
            environment, notes = self._with_variables(self.known[text], asks=False)
            return Resolved(environment=environment, source=f"{text} of matrix.yaml", notes=notes)
        version, plus, more = text.partition("+")
        asks = plus != "" and more in (TF_KERAS, "tf_keras")
        found = one_version(version if asks else text, self.known, self.index)
        plain = self.known.get(found) or plain_environment(found)
        environment, notes = self._with_variables(plain, asks=asks)
        return Resolved(environment=environment, source=text, notes=notes)

    def _with_variables(self, environment: Environment, *, asks: bool) -> tuple[Environment, tuple[str, ...]]:
        """With the variables of the command line; Keras 2 where it is asked for, by variable or by package.

        TF_USE_LEGACY_KERAS means something from TensorFlow 2.16 on only, and needs the package tf-keras there.
        """
        variables = {**environment.env, **self.variables}
        notes: list[str] = []
        own = variables.get(LEGACY_KERAS)
        wanted = own not in (None, "", "0", "False", "false") or (asks and own is None)
        with_packages = environment.with_packages
        if own is not None:
            variables.pop(LEGACY_KERAS)
        if wanted and _has_keras_3(environment.tensorflow):
            variables[LEGACY_KERAS] = "1"
            if not any(re.match(r"tf[-_]keras\b", each) for each in with_packages):
                with_packages = (*with_packages, TF_KERAS)  # its lock takes the one of this TensorFlow's minor
            if own is None:
                notes.append(
                    f"{TF_KERAS} is asked for: measured with {LEGACY_KERAS}=1, where tf.keras is Keras 2 "
                    f"(--env {LEGACY_KERAS}=0 measures without)"
                )
        changed = replace(environment, env=variables, with_packages=with_packages)
        if self.python and not environment.image:
            changed = replace(changed, python=self.python)
        return (environment if changed == environment else self._identified(changed)), tuple(notes)

    def _one_python(self, plain: Mapping[int, Resolved], fixed: set[str]) -> dict[int, Resolved]:
        """Versions with the one Python of the other sides where they have wheels for it; else each with its own."""
        movable = {
            number: one
            for number, one in plain.items()
            if not self.python and one.environment.id not in self.known and not one.environment.image
        }
        if len(plain) + len(fixed) < 2 or not movable:
            return dict(plain)
        stay = fixed | {one.environment.python for number, one in plain.items() if number not in movable}
        wanted = stay or {one.environment.python for one in movable.values()}
        if len(wanted | {one.environment.python for one in movable.values()}) < 2:
            return dict(plain)
        lists = [self._wheels(one.environment.tensorflow) for one in movable.values()]
        common = [each for each in sorted(wanted, key=_python_key) if all(each in listed for listed in lists)]
        if not common:
            moved = " and ".join(sorted(wanted | {one.environment.python for one in movable.values()}, key=_python_key))
            note = f"the Python moves, too ({moved}): no one Python has wheels of both"
            return {number: replace(one, notes=(*one.notes, note)) for number, one in plain.items()}
        result = dict(plain)
        for number, one in movable.items():
            if one.environment.python != common[0]:
                result[number] = replace(one, environment=self._identified(replace(one.environment, python=common[0])))
        return result

    def _identified(self, environment: Environment) -> Environment:
        """Under the one id that it has, in matrix.yaml or by the grammar."""
        return identified(environment, self.known.values())

    def _pythons(self, environment: Environment) -> tuple[str, ...]:
        """Those that a side without a file may have."""
        if environment.id in self.known or environment.image:
            return (environment.python,)
        return self._wheels(environment.tensorflow)

    def _wheels(self, version: str) -> tuple[str, ...]:
        if version == NIGHTLY:
            return (default_python(NIGHTLY),)
        try:
            found = [each for each in releases("tensorflow", self.index, prereleases=True) if each.version == version]
        except (InfrastructureError, UsageError):
            return (default_python(version),)
        return found[0].pythons if found else ()


def find_file(folder: Path, uv: Uv) -> tuple[PinFile, tuple[str, ...]]:
    """The file of a project folder that says what production installs, and why others were passed over.

    UsageError that names the choices where several say different things, and where none names TensorFlow.
    """
    found = find_files(folder, uv)
    if not found.files:
        said = "".join(f"\n    {note}" for note in found.notes)
        raise UsageError(
            f"no file in {folder} names TensorFlow{said}",
            expected=f"one of: {file_kinds()}",
            fix="name the file with --to, or another folder with -C",
        )
    return deciding(found, folder)


def deciding(found: Found, folder: Path) -> tuple[PinFile, tuple[str, ...]]:
    """Of several files the one that production is installed from: a lock, requirements.txt, the one exact pin."""
    files = found.files
    first = files[0]
    others = [each for each in files[1:] if not _agrees(first, each)]
    notes = list(found.notes)
    if others and not _is_production(first):
        listed = "".join(f"\n    {_shown(each, folder).path}: {in_words(each)}" for each in files[:8])
        raise UsageError(
            f"several files name TensorFlow:{listed}",
            expected="one of them",
            fix=f"name it: --to {_shown(first, folder).path}",
        )
    if others:
        listed = ", ".join(str(_shown(each, folder).path) for each in others[:4])
        notes.append(
            f"{_shown(first, folder).path} is taken for production; {listed} says otherwise (--to names another)"
        )
    return first, tuple(notes)


def in_words(file: PinFile) -> str:
    """What a file says of TensorFlow, as it is: `tensorflow==2.15.1`, `tensorflow (any version)`, `an extra …`."""
    if not file.tensorflow:
        return f"only in {parts_in_words(file)}; {' or '.join(options_for(file))}"
    return ", ".join(
        f"{pin.package}{pin.specifier or ' (any version)'}" + (f" ; {pin.marker}" if pin.marker else "")
        for pin in file.tensorflow[:3]
    )


def _is_production(file: PinFile) -> bool:
    return file.path.name in ("requirements.txt", "requirements.in") or file.path.name.endswith(".lock")


def _agrees(first: PinFile, other: PinFile) -> bool:
    """Whether another file says nothing else: the same, or a range that the first one's pins are in."""
    if not other.tensorflow:
        return True
    asked = {(pin.package.removesuffix("-cpu"), pin.specifier) for pin in first.tensorflow}
    for pin in other.tensorflow:
        if (pin.package.removesuffix("-cpu"), pin.specifier) in asked:
            continue
        if pin.version or not all(mine.version and _contains(pin, mine.version) for mine in first.tensorflow):
            return False
    return True


def _contains(pin: Pin, version: str) -> bool:
    return SpecifierSet(pin.specifier).contains(version, prereleases=True)


def _shown(file: PinFile, folder: Path) -> PinFile:
    """The file with its paths as one would type them in that folder."""
    real = folder.resolve()
    path = Path(os.path.relpath(file.path.resolve(), real)) if file.path.resolve().is_relative_to(real) else file.path
    return file.shown_as(path, folder, Path())


def _relative(error: ConfigError, folder: Path, more: str = "") -> ConfigError:
    """The error with paths as one would type them in that folder."""
    first, newline, rest = error.what.partition("\n")
    error.what = f"{first}{more}{newline}{rest}".replace(f"{folder}/", "")
    error.file = error.file.replace(f"{folder}/", "")
    return error


def _moved(side: Resolved, pythons: Sequence[str]) -> Resolved:
    note = (
        f"the Python moves, too ({' → '.join(pythons)}): no one Python is allowed by both sides and has wheels "
        "for both; what it changes is measured with the rest"
    )
    return replace(side, notes=(*side.notes, note))


def _is_pinned(source: Source) -> bool:
    return sum(allows(source.allowed, each) for each in PYTHONS) == 1


def _at_installed(overrides: Iterable[str], packages: Mapping[str, str]) -> tuple[str, ...]:
    """Overrides at the versions that were resolved; one of a package that is not installed stays as it is."""
    found = []
    for each in overrides:
        name = canonicalize_name(Requirement(each).name)
        found.append(f"{name}=={packages[name]}" if packages.get(name) else each)
    return tuple(dict.fromkeys(found))


def _of_ranges(pins: Iterable[Pin], packages: Mapping[str, str]) -> list[str]:
    return [
        f"{pin.place}: {pin.package}{pin.specifier or ' (any version)'} is a range: what it installs today is taken, "
        f"{packages[pin.package]}"
        for pin in pins
        if not pin.version
    ]


def _refuse_old_nightly(pins: Sequence[Pin]) -> None:
    pinned = [pin for pin in pins if pin.version]
    if pinned:
        raise ConfigError(
            f"a nightly build is pinned: {pinned[0]}",
            file=pinned[0].file,
            line=pinned[0].line,
            expected="a release: an index keeps nightly builds for some weeks only",
            fix="--to nightly checks today's",
        )


def _release(version: str, file: PinFile) -> str:
    number = Version(version)
    if number < Version("2.0.0rc0") or number.local:
        raise ConfigError(
            f"not a release of TensorFlow 2: {version}",
            file=file.path,
            line=next((pin.line for pin in file.tensorflow), None),
            expected="a release from 2.0.0 on, such as 2.15.1",
        )
    return version


# Texts


def named(text: str, folder: Path) -> Named:
    """What an argument means: a file below `folder` (or here), else a version, a selector or an id."""
    if is_pin_file(text) or (folder / text).is_file():
        path = Path(text)
        return Named(text=text, file=path if (folder / path).exists() or not path.exists() else path.absolute())
    return Named(text=text)


def one_version(text: str, known: Mapping[str, Environment], index: Index) -> str:
    """The one version that a selector means. UsageError where it means none or several."""
    try:
        found = resolve_selector(text, index)
    except InfrastructureError:
        # Without an index an exact version may still be locked and provided.
        if is_exact(text):
            return text
        raise
    except UsageError as error:
        hint = did_you_mean(text, known)
        raise UsageError(
            error.what, expected=error.expected or "a version, an id or a file", fix=hint or error.fix
        ) from error
    if len(found) != 1:
        shown = ", ".join(found) or "none"
        raise UsageError(
            f'"{text}" means {len(found)} versions: {shown}',
            expected="one version",
            fix=f"name one, such as {found[-1]}" if found else "",
        )
    return found[0]


def is_exact(text: str) -> bool:
    """Whether a text is one version, and needs no index to tell which."""
    try:
        return len(Version(text).release) == 3 and re.fullmatch(r"[0-9A-Za-z.]+", text) is not None
    except InvalidVersion:
        return text == NIGHTLY


def plain_environment(version: str, python: str = "") -> Environment:
    """A release with the packages of its own days."""
    as_of = "today" if version == NIGHTLY else "release"
    return Environment(id=version, tensorflow=version, python=python or default_python(version), as_of=as_of)


def _has_keras_3(tensorflow: str) -> bool:
    try:
        return Version(tensorflow) >= FIRST_WITH_KERAS_3
    except InvalidVersion:
        return True


def _python_key(python: str) -> int:
    return -int(python.partition(".")[2])


__all__ = ["Named", "NotInstallable", "Resolved", "Resolver", "find_file", "is_exact", "named", "plain_environment"]
