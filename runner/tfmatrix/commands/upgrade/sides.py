"""The two sides of an upgrade: what `--from`, `--to` and `--from-git` mean, as environments."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import UsageError
from tfmatrix.envs.git import Commit, open_commit
from tfmatrix.envs.installation import NotInstallable
from tfmatrix.envs.pins import find_files, pin_paths, read_pins
from tfmatrix.envs.resolve import Named, Resolved, Resolver, find_file, named, plain_environment
from tfmatrix.project.project import Project

if TYPE_CHECKING:
    from tfmatrix.envs.releases import Index
    from tfmatrix.envs.uv import Uv

Side = Resolved
"""One side: its environment, and what the user named it by."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The options that name the two sides; empty ones were not given."""

    before: str = ""
    after: str = ""
    git: str = ""
    python: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    lowest: bool = False
    from_source: bool = False


@dataclass(frozen=True, kw_only=True)
class Untouched:
    """No file that says what is installed differs from the commit: nothing was read."""

    before: str
    after: str


def find_sides(project: Project, wanted: Wanted, index: Index, uv: Uv) -> tuple[Side, Side] | Untouched:
    """Old and new. UsageError or ConfigError, with the choices, for everything that could mean several things.

    NotInstallable where no packages are what a file asks for.
    """
    git = wanted.git or ("" if wanted.before else _base_of_pull_request())
    if wanted.before and wanted.git:
        raise UsageError("--from and --from-git both name the old side", fix="give one of the two")
    if not wanted.before and not git:
        raise UsageError(
            "which version is it now?",
            expected="--from VERSION|FILE, or --from-git REF",
            fix="tfmatrix upgrade --from 2.15.1 --to 2.16.2, or --from-git main",
        )
    if wanted.before and not wanted.after:
        raise UsageError("which version is it to be?", expected="--to VERSION|FILE", fix="such as --to 2.16.2")
    root = project.root.resolve()
    after = named(wanted.after, root) if wanted.after else None
    notes: tuple[str, ...] = ()
    if git:
        commit = open_commit(root, git)
        if (after is None or after.file is not None) and not _touched(root, commit, after, uv):
            what = after.text if after else "what is installed"
            return Untouched(before=f"{what} in {commit.name}", after=what)
        if after is not None and after.file is not None:
            file = after.file
        else:
            found, notes = find_file(root, uv)
            file = Path(os.path.relpath(found.path.resolve(), root))
        before = Named(file=file, commit=commit)
        after = after or Named(file=file)
    else:
        before = named(wanted.before, root)
        assert after is not None
    resolver = Resolver(
        uv=uv,
        index=index,
        folder=root,
        known={each.id: each for each in written_environments(project)},
        extras=wanted.extras,
        groups=wanted.groups,
        python=wanted.python,
        variables=wanted.variables,
        lowest=wanted.lowest,
        from_source=wanted.from_source,
    )
    try:
        old, new = resolver.resolve([before, after])
    except NotInstallable as error:
        error.file = str(_from_here(root, Path(error.file)))
        raise
    return (
        replace(old, notes=(*notes, *old.notes), file=old.file and _from_here(root, old.file)),
        replace(new, file=new.file and _from_here(root, new.file)),
    )


def _touched(root: Path, commit: Commit, after: Named | None, uv: Uv) -> bool:
    """Whether any file that may say what is installed is otherwise than in the commit.

    Files outside the project, and any YAML, count where the project's own files name them: the lock of a workspace,
    what many projects include, the environment that a Dockerfile makes. Nothing is read while none of these changed.
    """
    changed = commit.changed(root)
    if after is not None and after.file is not None and Path(os.path.normpath(after.file)) in changed:
        return True
    kinds = {Path(os.path.relpath(path, root)) for path in pin_paths(root)}
    inside = {path for path in changed if path.parts[0] != ".."}
    if any(path in kinds or _may_say(path) for path in inside):
        return True
    perhaps = {path for path in changed - inside if _may_say(path)}
    perhaps |= {path for path in changed if path.suffix in (".yml", ".yaml") and not _is_of_another(path)}
    return bool(perhaps) and not perhaps.isdisjoint(_named_files(root, after, uv))


_MAY_SAY = (
    ".txt", ".in", ".pip", ".req", ".reqs", ".lock", ".toml", ".cfg", ".python-version", "setup.py", "Pipfile",
    "runtime.txt",
)  # fmt: skip
"""Endings and names of files that say what is installed, or that others of these read."""

_OURS = ("matrix.yaml", "known_failures.yaml")


def _may_say(path: Path) -> bool:
    return path.suffix in _MAY_SAY or path.name in _MAY_SAY


def _is_of_another(path: Path) -> bool:
    """Whether a YAML file is a setting of this or of another program."""
    return path.name in _OURS or any(part.startswith(".") and part != ".." for part in path.parts)


def _named_files(root: Path, after: Named | None, uv: Uv) -> set[Path]:
    """The files that the project's own name, as seen from it."""
    if after is not None and after.file is not None:
        files = [read_pins(root / after.file, uv)]
    else:
        files = list(find_files(root, uv).files)
    named = {path for file in files for path in (file.path, *file.reads, *(pin.file for pin in file.pins))}
    return {Path(os.path.relpath(path.resolve(), root)) for path in named}


def _from_here(root: Path, file: Path) -> Path:
    """A file of the project as it is called where the command is typed: what a CI system points at."""
    path = root / file
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else file


def _base_of_pull_request() -> str:
    """The branch that a pull request of GitHub goes to, as its checkout knows it."""
    base = os.environ.get("GITHUB_BASE_REF", "")
    return f"origin/{base}" if base else ""


def written_environments(project: Project) -> tuple[Environment, ...]:
    """Those of matrix.yaml, where there is one; its scenarios do not matter here."""
    return project.written_environments


__all__ = ["Side", "Untouched", "Wanted", "find_sides", "plain_environment", "written_environments"]
