"""The two sides of an upgrade: what `--from`, `--to` and `--from-git` mean, as environments."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from tfmatrix.commands.upgrade.choice import choose_environment, with_id
from tfmatrix.commands.upgrade.git import Commit, open_commit
from tfmatrix.core.environment import Environment, default_python
from tfmatrix.core.errors import ConfigError, InfrastructureError, UsageError
from tfmatrix.core.hints import did_you_mean
from tfmatrix.core.ids import identified
from tfmatrix.envs.lock import NIGHTLY
from tfmatrix.envs.pins import FILE_KINDS, Pin, PinFile, find_files, is_pin_file, read_pins
from tfmatrix.envs.pins.read import decode
from tfmatrix.project.config import load_config
from tfmatrix.project.project import Project

if TYPE_CHECKING:
    from tfmatrix.envs.releases import Index

_LOCKS = ("uv.lock", "poetry.lock", "Pipfile.lock", "pylock.toml")
"""Locks that are made out of a pyproject.toml or Pipfile: beside them that file says nothing more."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side. `source` is what the user named it by; `pins` and `file` where it came from a file."""

    environment: Environment
    source: str
    file: Path | None = None
    pins: tuple[Pin, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The options that name the two sides; empty ones were not given."""

    before: str = ""
    after: str = ""
    git: str = ""
    python: str = ""
    variables: Mapping[str, str]


def find_sides(project: Project, wanted: Wanted, index: Index) -> tuple[Side, Side]:
    """Old and new. UsageError or ConfigError, with the choices, for everything that could mean several things."""
    git = wanted.git or ("" if wanted.before else _base_of_pull_request())
    if wanted.before and wanted.git:
        raise UsageError("--from and --from-git both name the old side", fix="give one of the two")
    if not wanted.before and not git:
        raise UsageError(
            "which version is it now?",
            expected="--from VERSION|FILE, or --from-git REF",
            fix="tfmatrix upgrade --from 2.15.1 --to 2.16.2, or --from-git main",
        )
    if git:
        file = Path(wanted.after) if wanted.after and is_pin_file(wanted.after) else _only_file(project.root)
        commit = open_commit(project.root, git)
        before = _from_file(file, wanted, commit)
        after = _side(project, wanted.after, wanted, index) if wanted.after else _from_file(file, wanted)
        return _under_their_ids(project, before, after)
    before = _side(project, wanted.before, wanted, index)
    if wanted.after:
        return _under_their_ids(project, before, _side(project, wanted.after, wanted, index))
    raise UsageError("which version is it to be?", expected="--to VERSION|FILE", fix="such as --to 2.16.2")


def _under_their_ids(project: Project, *sides: Side) -> tuple[Side, Side]:
    """The sides as matrix.yaml names their environments, where it has them: so that its locks and cells are used."""
    written = written_environments(project)
    before, after = (replace(each, environment=identified(each.environment, written)) for each in sides)
    return before, after


def _base_of_pull_request() -> str:
    """The branch that a pull request of GitHub goes to, as its checkout knows it."""
    base = os.environ.get("GITHUB_BASE_REF", "")
    return f"origin/{base}" if base else ""


def _only_file(folder: Path) -> Path:
    """The file of a project that pins TensorFlow; a UsageError that names the choices where there are several."""
    files = list(find_files(folder))
    if any(file.kind in _LOCKS for file in files):
        files = [file for file in files if file.kind != "pyproject.toml"]
    if len(files) == 1:
        return _shown(files[0].path)
    if not files:
        raise UsageError(
            f"no file in {folder} pins TensorFlow",
            expected=f"one of: {', '.join(FILE_KINDS)}",
            fix="name the file with --to, or another folder with -C",
        )
    names = [str(_shown(file.path)) for file in files]
    listed = ", ".join(f"{name} ({file.tensorflow[0]})" for name, file in zip(names, files, strict=True))
    raise UsageError(
        f"several files pin TensorFlow: {listed}",
        expected="one of them",
        fix=f"name it: --to {names[0]}",
    )


def _shown(path: Path) -> Path:
    """The path as one would type it here."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def _side(project: Project, text: str, wanted: Wanted, index: Index) -> Side:
    known = {each.id: each for each in written_environments(project)}
    if text in known:
        environment = known[text]
        if wanted.python or wanted.variables:
            environment = _changed(environment, wanted)
        return Side(environment=environment, source=f"{text} of matrix.yaml")
    if is_pin_file(text):
        return _from_file(Path(text), wanted)
    version = _version(text, known, index)
    if version in known and not (wanted.python or wanted.variables):
        return Side(environment=known[version], source=text)
    return Side(environment=_changed(plain_environment(version), wanted), source=text)


def written_environments(project: Project) -> tuple[Environment, ...]:
    """Those of matrix.yaml, where there is one; its scenarios do not matter here."""
    return load_config(project.matrix_file).environments if project.matrix_file.exists() else ()


def plain_environment(version: str, python: str = "") -> Environment:
    """A release with the packages of its own days."""
    as_of = "today" if version == NIGHTLY else "release"
    return Environment(id=version, tensorflow=version, python=python or default_python(version), as_of=as_of)


def _changed(environment: Environment, wanted: Wanted) -> Environment:
    """With the Python and variables of the command line, under an id of its own."""
    changed = replace(
        environment,
        python=wanted.python or environment.python,
        env={**environment.env, **wanted.variables},
    )
    return environment if changed == environment else with_id(changed)


def _version(text: str, known: Mapping[str, Environment], index: Index) -> str:
    """The one version that a selector means."""
    from tfmatrix.envs.releases import resolve_selector

    try:
        found = resolve_selector(text, index)
    except InfrastructureError:
        # Without an index an exact version may still be locked and provided.
        if _is_exact(text):
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


def _is_exact(text: str) -> bool:
    try:
        return len(Version(text).release) == 3
    except InvalidVersion:
        return text == NIGHTLY


def _from_file(path: Path, wanted: Wanted, commit: Commit | None = None) -> Side:
    if commit is None:
        file = read_pins(path)
        python = wanted.python or _python_in(_read_here(path.parent / ".python-version"))
        return _side_of(file, python, wanted, str(path))
    try:
        file = _read_in(commit, path)
        beside = path.parent / ".python-version"
        python = wanted.python or _python_in(_text_in(commit, beside) or "")
        return _side_of(file, python, wanted, f"{path} in {commit.name}")
    except ConfigError as error:
        error.what = f"{error.what} (in {commit.name})"
        raise


def _read_in(commit: Commit, path: Path) -> PinFile:
    try:
        content = commit.read(path)
    except FileNotFoundError as error:
        raise ConfigError(
            "there is no such file there",
            file=path,
            expected="the file with the old pins",
            fix="give the old versions with --from",
        ) from error
    return read_pins(path, content, include=lambda other: decode(other, commit.read(other)))


def _text_in(commit: Commit, path: Path) -> str | None:
    try:
        return commit.read(path).decode("utf-8", "replace")
    except FileNotFoundError:
        return None


def _read_here(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _python_in(text: str) -> str:
    """The Python of a .python-version file beside the pins, as X.Y; nothing where it says something else."""
    words = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = re.match(r"(?:cpython-?)?(3\.\d+)", words[0]) if words else None
    return found[1] if found else ""


def _side_of(file: PinFile, python: str, wanted: Wanted, source: str) -> Side:
    chosen = choose_environment(file, python=python, variables=wanted.variables.items())
    return Side(environment=chosen.environment, source=source, file=file.path, pins=chosen.pins, notes=chosen.notes)
