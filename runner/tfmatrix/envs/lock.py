"""Locks: one file per environment with every package's version and hashes, made by uv and committed under locks/.

A lock is a requirements file for pip (--require-hashes --no-deps), headed by comments that say what it was made for.
The table KNOWN_OBSTACLES holds what TensorFlow's own metadata fails to say about its dependencies.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import platform as host
import re
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tfmatrix.core.data import parse_json
from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ConfigError, InfrastructureError
from tfmatrix.core.files import read_bounded
from tfmatrix.core.packages import KERAS, version_among
from tfmatrix.envs.interpreters import look_for_interpreter
from tfmatrix.envs.uv import Uv, UvResult

NIGHTLY = "nightly"

RELEASE_WINDOW = datetime.timedelta(days=14)
"""`as_of: release` takes what was uploaded this long after TensorFlow: fixes of its first days, no later Keras."""

NIGHTLY_LAG = datetime.timedelta(days=7)
"""How far the nightly CPU build may stay behind the full one before the full one, twice its size, is taken."""


@dataclass(frozen=True, kw_only=True)
class Obstacle:
    """Versions of TensorFlow that accept a dependency which they cannot run with, and the constraint that helps."""

    tensorflow: str
    constraint: str
    symptom: str


KNOWN_OBSTACLES = (
    Obstacle(
        tensorflow="<2.9.1",
        constraint="protobuf<3.21",
        # 2.6.4, 2.8.1 and 2.9.0 meet it even as of their release: protobuf 4.21 came out in those two weeks.
        symptom="import: TypeError: Descriptors cannot be created directly",
    ),
    Obstacle(
        tensorflow=">=2.7,<2.12",
        constraint="numpy<2",
        # Only with a late `as_of`.
        symptom="import: TypeError: Unable to convert function return value to a Python type (bfloat16)",
    ),
)
"""Without these the environment cannot import TensorFlow, which says nothing about saved models. Each was seen."""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A lock file as read. `packages` maps normalised names to versions, `hashes` to the hashes of their files.

    `digest` is 64 hex digits over the Python version and the pinned packages with their hashes: over what an
    environment made from it consists of, and not over comments. `tensorflow` and `keras` are the exact versions of the
    packages; `keras` is empty where TensorFlow has no separate one (before 2.5). `base_image` is
    "REFERENCE@sha256:..." or empty. `index_options` are the environment's own; no file holds them.
    """

    environment_id: str
    path: Path
    digest: str
    python: str
    packages: Mapping[str, str]
    tensorflow: str
    keras: str
    distribution: str
    platform: str
    exclude_newer: str
    base_image: str = ""
    index_options: tuple[str, ...] = field(default=(), repr=False)
    hashes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Pin:
    name: str
    version: str
    hashes: tuple[str, ...]


class _LineError(Exception):
    """A line, counted from 1, that is not what it should be."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


@dataclass(frozen=True, kw_only=True)
class _Release:
    """One version of a distribution on the index; `uploaded` is None where the index does not say."""

    name: str
    version: str
    uploaded: datetime.datetime | None


def lock_path(folder: Path, environment_id: str) -> Path:
    """Where the lock of an environment lies."""
    return folder / f"{environment_id}.txt"


def host_platform() -> str:
    """What a lock is made for, such as "linux-x86_64" or "darwin-arm64"."""
    return f"{sys.platform}-{host.machine().lower()}"


def ensure_lock(
    folder: Path, environment: Environment, uv: Uv, *, progress: Callable[[str], None] | None = None
) -> Lock:
    """The environment's lock: the one in `folder`, or one made now and written there. Raises as these two do."""
    return read_lock(folder, environment) or make_lock(folder, environment, uv, progress=progress)


# Reading


_HEADER = re.compile(r"# (?P<key>[a-z-]+): (?P<value>.+)")
_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*) \\")
_HASH = re.compile(r"    --hash=(?P<hash>sha256:[0-9a-f]{64})(?P<more> \\)?")
_REQUIRED_KEYS = ("entry", "distribution", "platform", "exclude-newer", "digest")


def read_lock(folder: Path, environment: Environment) -> Lock | None:
    """The environment's lock in `folder`; None where there is none.

    Raises ConfigError on a damaged file, and on one that was made for another entry than `environment` is now.
    """
    path = lock_path(folder, environment.id)
    try:
        text = read_bounded(path).decode("utf-8").replace("\r\n", "\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _damaged(path, environment.id, 1, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _damaged(path, environment.id, 1, f"not UTF-8: {error.reason}") from error
    header, lines_of_keys = _parse_header(path, environment.id, text)
    entry = _read_entry(path, environment.id, header["entry"], lines_of_keys["entry"])
    _check_entry(path, environment, entry, lines_of_keys["entry"])
    try:
        pins = _parse_pins(text)
    except _LineError as error:
        raise _damaged(path, environment.id, error.line, str(error)) from error
    digest = _digest(environment.python, pins)
    if header["digest"] != f"sha256:{digest}":
        raise _damaged(
            path,
            environment.id,
            lines_of_keys["digest"],
            "the packages below are not those that this digest was made of",
        )
    packages = {pin.name: pin.version for pin in pins}
    distribution = header["distribution"]
    if distribution not in packages:
        raise _damaged(path, environment.id, lines_of_keys["distribution"], f"{distribution} is not among the packages")
    return Lock(
        environment_id=environment.id,
        path=path,
        digest=digest,
        python=environment.python,
        packages=packages,
        tensorflow=packages[distribution],
        keras=version_among(packages, KERAS),
        distribution=distribution,
        platform=header["platform"],
        exclude_newer="" if header["exclude-newer"] == "none" else header["exclude-newer"],
        base_image=header.get("base-image", ""),
        index_options=environment.index_options,
        hashes={pin.name: pin.hashes for pin in pins},
    )


def _parse_header(path: Path, environment_id: str, text: str) -> tuple[dict[str, str], dict[str, int]]:
    """The comment lines `# key: value`, and the line on which each stands."""
    header: dict[str, str] = {}
    lines_of_keys: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if (match := _HEADER.fullmatch(line)) is not None:
            header[match["key"]] = match["value"]
            lines_of_keys[match["key"]] = number
    for key in _REQUIRED_KEYS:
        if key not in header:
            raise _damaged(path, environment_id, 1, f"the comment line `# {key}: ...` is missing")
    return header, lines_of_keys


def _parse_pins(text: str) -> list[_Pin]:
    """The pinned packages of a requirements file, sorted by name. Raises _LineError on anything else but comments."""
    pins: dict[str, _Pin] = {}
    lines = enumerate(text.splitlines(), start=1)
    for number, line in lines:
        if not line.strip() or line.startswith("#"):
            continue
        if (match := _PIN.fullmatch(line)) is None:
            raise _LineError(number, f"not a pinned package with hashes: {line.strip()[:80]!r}")
        name, hashes, more = canonicalize_name(match["name"]), [], True
        if name in pins:
            raise _LineError(number, f"{name} is listed twice")
        while more:
            number, line = next(lines, (number, ""))
            if (hash_match := _HASH.fullmatch(line)) is None:
                raise _LineError(number, f"not a hash of {name}: {line.strip()[:80]!r}")
            hashes.append(hash_match["hash"])
            more = bool(hash_match["more"])
        pins[name] = _Pin(name=name, version=match["version"], hashes=tuple(hashes))
    return [pins[name] for name in sorted(pins)]


def _read_entry(path: Path, environment_id: str, text: str, line: int) -> dict[str, Any]:
    try:
        entry = parse_json(text)
    except ValueError as error:
        raise _damaged(path, environment_id, line, f"the entry is not JSON: {error}") from error
    if not isinstance(entry, dict):
        raise _damaged(path, environment_id, line, "the entry is not a JSON object")
    return entry


def _check_entry(path: Path, environment: Environment, locked: Mapping[str, Any], line: int) -> None:
    wanted = _entry(environment)
    different = [
        f"{key} is {_shown(locked.get(key))} in the lock and {_shown(wanted.get(key))} in matrix.yaml"
        for key in sorted(locked.keys() | wanted.keys())
        if locked.get(key) != wanted.get(key)
    ]
    if different:
        raise ConfigError(
            f"this lock was made for another entry: {'; '.join(different)}",
            file=path,
            line=line,
            expected=f"a lock for the entry {environment.id} as it is now",
            fix=f"tfmatrix lock {environment.id}",
        )


def _shown(value: Any) -> str:
    return "not set" if value in (None, []) else json.dumps(value)


def _entry(environment: Environment) -> dict[str, Any]:
    """What a lock depends on, of an environment: JSON types."""
    entry = {
        "as_of": environment.as_of,
        "keras": environment.keras,
        "package": environment.package,
        "python": environment.python,
        "tensorflow": environment.tensorflow,
        "with": sorted(environment.with_packages),
    }
    if environment.index_options:
        # The options themselves may hold credentials.
        entry["indexes"] = hashlib.sha256("\n".join(environment.index_options).encode()).hexdigest()[:12]
    if environment.overrides:
        entry["overrides"] = sorted(environment.overrides)
    return entry


def _digest(python: str, pins: list[_Pin]) -> str:
    return hashlib.sha256(f"python=={python}\n{_rendered(pins)}".encode()).hexdigest()


def _damaged(path: Path, environment_id: str, line: int, what: str) -> ConfigError:
    return ConfigError(
        f"this lock is damaged: {what}",
        file=path,
        line=line,
        expected="the file as `tfmatrix lock` wrote it",
        fix=f"restore it from version control, or renew it: tfmatrix lock {environment_id}",
    )


# Making


def make_lock(
    folder: Path,
    environment: Environment,
    uv: Uv,
    *,
    today: datetime.date | None = None,
    progress: Callable[[str], None] | None = None,
) -> Lock:
    """Resolves the environment for this platform, writes its lock (whole or not at all) and returns it.

    Same entry and same index: same bytes (with `as_of: today`, of the same day). Raises ConfigError where no packages
    fit the entry, with uv's explanation; InfrastructureError where the index cannot be asked.
    """
    if not environment.tensorflow:
        raise ValueError(f"{environment.id} brings its packages in an image: it has no lock")
    if progress is not None:
        progress(f"resolving {environment.id}")
    resolver = _Resolver(environment=environment, uv=replace(uv, index_options=environment.index_options))
    release = resolver.choose_release()
    until = _exclude_newer(environment, release)
    pins = resolver.resolve(release, until)
    header = {
        "entry": json.dumps(_entry(environment), sort_keys=True),
        "distribution": release.name,
        "platform": host_platform(),
        "exclude-newer": until or "none",
        "digest": f"sha256:{_digest(environment.python, pins)}",
    }
    if not until:
        header["resolved"] = (today or datetime.datetime.now(datetime.UTC).date()).isoformat()
    _write(lock_path(folder, environment.id), _file_text(environment.id, header, pins))
    lock = read_lock(folder, environment)
    if lock is None:
        raise InfrastructureError(
            f"{lock_path(folder, environment.id)} was removed while it was written", fix="run again"
        )
    return lock


def set_base_image(lock: Lock, reference: str, digest: str) -> Lock:
    """Notes in the lock file which base image the environment runs on, pinned: "python:3.11-slim", "sha256:...".

    The lock's digest stays: an image is part of a result's key by itself.
    """
    pinned = f"{reference}@{digest}"
    lines = lock.path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("# base-image: ")]
    header_end = next((number for number, line in enumerate(kept) if not line.startswith("#")), len(kept))
    kept.insert(header_end, f"# base-image: {pinned}")
    _write(lock.path, "\n".join(kept) + "\n")
    return replace(lock, base_image=pinned)


def _exclude_newer(environment: Environment, release: _Release) -> str:
    """The moment (RFC 3339, UTC) from which uploads are ignored; empty for none."""
    if environment.as_of != "release":
        return _given_moment(environment)
    if environment.tensorflow == NIGHTLY:
        return ""
    if release.uploaded is None:
        raise InfrastructureError(
            f"The package index does not say when {release.name} {release.version} was uploaded, so that "
            f"`as_of: release` of {environment.id} cannot be resolved",
            expected="an index with upload times (PEP 700)",
            fix=f"use an index that has them, or give {environment.id} `as_of: today` and pin what matters "
            "(`keras`, `with`)",
        )
    return _start_of(release.uploaded.astimezone(datetime.UTC).date() + RELEASE_WINDOW)


def _given_moment(environment: Environment) -> str:
    """The end of the day that `as_of` names, empty where it names none."""
    if environment.as_of in ("release", "today"):
        return ""
    return _start_of(datetime.date.fromisoformat(environment.as_of) + datetime.timedelta(days=1))


def _start_of(day: datetime.date) -> str:
    # A moment, because uv reads a bare date in the local time zone.
    return f"{day.isoformat()}T00:00:00Z"


@dataclass(frozen=True, kw_only=True)
class _Resolver:
    """Asks uv about one environment."""

    environment: Environment
    uv: Uv

    def choose_release(self) -> _Release:
        """Which distribution, and which version of it, is the environment's TensorFlow."""
        names = _distributions(self.environment, host_platform())
        found = []
        for name in names:
            release, refusal = self._look_up(name)
            if release is not None:
                found.append(release)
                if self.environment.tensorflow != NIGHTLY:
                    break
        if not found:
            raise self._unsolvable(f"there is no {' or '.join(names)} for it", refusal)
        first, last = found[0], found[-1]
        if first.uploaded and last.uploaded and last.uploaded - first.uploaded > NIGHTLY_LAG:
            return last
        return first

    def _look_up(self, name: str) -> tuple[_Release | None, UvResult]:
        """The release of that name for this platform and Python; uv's answer in any case."""
        wanted = name if self.environment.tensorflow == NIGHTLY else f"{name}=={self.environment.tensorflow}"
        moment = _given_moment(self.environment)
        until = ["--exclude-newer", moment] if moment else []
        # A lock of PEP 751 is the one answer of uv that tells upload times, whatever index it is configured with.
        result = self._compile([wanted], ["--no-deps", "--format", "pylock.toml", *until])
        if result.is_unsolvable:
            return None, result
        if not result.succeeded:
            raise self.uv.failure(f"{wanted} could not be looked up for {self.environment.id}:", result)
        package = tomllib.loads(result.stdout)["packages"][0]
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        times = [file["upload-time"] for file in files if "upload-time" in file]
        return _Release(name=name, version=package["version"], uploaded=min(times, default=None)), result

    def resolve(self, release: _Release, until: str) -> list[_Pin]:
        """Every package of the environment, with the hashes of its files."""
        requirements = [f"{release.name}=={release.version}", *sorted(self.environment.with_packages)]
        if self.environment.keras is not None:
            requirements.append(f"keras=={self.environment.keras}")
        constraints = [
            obstacle.constraint
            for obstacle in KNOWN_OBSTACLES
            if self.environment.tensorflow != NIGHTLY
            and SpecifierSet(obstacle.tensorflow, prereleases=True).contains(release.version)
        ]
        version = Version(release.version)
        if not version.is_prerelease and any(
            Requirement(each).name == "tf-keras" for each in self.environment.with_packages
        ):
            # Its own metadata takes any TensorFlow. Seen: as of the release of 2.20.0 there was none for it, tf-keras
            # 2.15.0 was taken instead, and the import died of a missing register_load_context_function.
            constraints.append(f"tf-keras~={version.major}.{version.minor}.0")
        options = ["--generate-hashes", "--no-annotate"]
        if release.name.endswith("-cpu"):
            # Packages such as tf-keras ask for `tensorflow`: its version is checked, but its files, which are the same
            # files, are not installed over those of the CPU build.
            full = release.name.removesuffix("-cpu")
            constraints.append(f"{full}=={release.version}")
            options += ["--no-emit-package", full]
        if until:
            options += ["--exclude-newer", until]
        result = self._compile(requirements, options, constraints)
        if result.is_unsolvable:
            hint = f"; only uploads before {until} were looked at" if until else ""
            raise self._unsolvable(f"no packages fit {', '.join(requirements)}{hint}", result)
        if not result.succeeded:
            raise self.uv.failure(f"{self.environment.id} could not be resolved:", result)
        try:
            return _parse_pins(result.stdout)
        except _LineError as error:
            raise InfrastructureError(
                f"uv wrote a line for {self.environment.id} that does not belong into a lock: {error}",
                expected="NAME==VERSION with sha256 hashes",
                fix="every package must come from an index: no URL, no folder",
            ) from error

    def _compile(self, requirements: list[str], options: list[str], constraints: list[str] | None = None) -> UvResult:
        interpreter = look_for_interpreter(self.environment.python, self.uv)
        # The right Python matters only to source distributions that must be run to tell their dependencies.
        python = [] if interpreter is None else ["--python", str(interpreter.path)]
        with tempfile.TemporaryDirectory(prefix="tfmatrix-lock-") as folder:
            wanted, limits = Path(folder, "requirements.in"), Path(folder, "constraints.txt")
            wanted.write_text("\n".join(requirements) + "\n", encoding="utf-8")
            fixed = ["--quiet", "--no-header", "--no-python-downloads", "--python-version", self.environment.python]
            if self.environment.overrides:
                Path(folder, "overrides.txt").write_text("\n".join(self.environment.overrides) + "\n", encoding="utf-8")
                fixed += ["--overrides", str(Path(folder, "overrides.txt"))]
            if constraints:
                limits.write_text("\n".join(constraints) + "\n", encoding="utf-8")
                fixed += ["--constraints", str(limits)]
            return self.uv.run(["pip", "compile", *fixed, *python, *options, str(wanted)])

    def _unsolvable(self, what: str, result: UvResult) -> ConfigError:
        return ConfigError(
            f"{what} (Python {self.environment.python}, {host_platform()}). uv says:\n{result.explanation}",
            file="matrix.yaml",
            key=f"environments[{self.environment.id}]",
            expected="versions that exist, for this Python, and that fit each other",
            fix="change `tensorflow`, `python`, `keras`, `with` or `as_of` of this environment",
        )


def _distributions(environment: Environment, platform: str) -> tuple[str, ...]:
    """Names under which TensorFlow may be found, the preferred first."""
    if environment.package is not None:
        return (environment.package,)
    full = "tf-nightly" if environment.tensorflow == NIGHTLY else "tensorflow"
    # Elsewhere there is no CPU build of every version, and the full one is not larger.
    return (f"{full}-cpu", full) if platform == "linux-x86_64" else (full,)


def _rendered(pins: list[_Pin]) -> str:
    lines = []
    for pin in pins:
        lines += [f"{pin.name}=={pin.version}", *(f"    --hash={value}" for value in sorted(pin.hashes))]
    return "".join(
        line + (" \\\n" if following.startswith("    ") else "\n")
        for line, following in zip(lines, [*lines[1:], ""], strict=False)  # a lock without pins has no line
    )


def _file_text(environment_id: str, header: Mapping[str, str], pins: list[_Pin]) -> str:
    title = (
        f"# Lock of the environment {environment_id}, for pip install --require-hashes --no-deps.\n"
        f"# Made by tfmatrix, not to be edited. Renew it with:\n"
        f"#     tfmatrix lock {environment_id}\n"
    )
    return title + "".join(f"# {key}: {value}\n" for key, value in header.items()) + _rendered(pins)


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise InfrastructureError(
            f"{path} cannot be written: {error.strerror}",
            expected="a locks folder that may be written",
            fix="mind the folder's permissions and the disk's free room",
        ) from error
