"""Locking a project: what selectors choose, one lock for each environment, and what is new since the last time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

from packaging.version import Version

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import ConfigError, UsageError
from tfmatrix.core.packages import DECIDING
from tfmatrix.envs.lock import Lock, make_lock, read_lock
from tfmatrix.envs.releases import Index, resolve_selector
from tfmatrix.envs.uv import Uv
from tfmatrix.project.config import SelectorUse, read_selectors
from tfmatrix.project.config.selected import SELECTED_FILE, Selected, read_selected, selected_text
from tfmatrix.project.project import Project
from tfmatrix.store.content import write_atomically

_SHOWN = 6
"""Packages of an environment that are named when they changed; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class Locking:
    """Locks the environments of a project: those of `ids` (ids or selectors), or all.

    `upgrade` renews what moves with time: selectors, and the packages of environments that are resolved as of today.
    """

    project: Project
    uv: Uv
    ids: tuple[str, ...] = ()
    upgrade: bool = False
    say: Callable[[str], None]

    def write(self, today: date | None = None) -> list[str]:
        """Writes locks/selected.json and the locks; returns a line for each thing that is new.

        Locks that are missing are made, those of `ids` anew. Raises ConfigError, UsageError, InfrastructureError.
        """
        uses = read_selectors(self.project.matrix_file)
        file = self.project.root / SELECTED_FILE
        old = read_selected(file)
        new, news = self._select(uses, old, today or datetime.now(UTC).date())
        if new != old:
            write_atomically(file, selected_text(new.values()))
        project = replace(self.project)  # reads matrix.yaml anew: selectors may stand for other environments now
        named = self._named(project, uses)
        for environment in project.config_of_environments.environments:
            if environment.image or not (not self.ids or environment.id in named):
                continue
            if self._is_due(project, environment, named):
                before = _read(project, environment)
                after = make_lock(project.locks, environment, self.uv, progress=self.say)
                news.append(f"{environment.id}: {_difference(before, after)}")
        return news

    def check(self) -> list[str]:
        """What is stale, a line each; nothing is written. The index is asked only for `upgrade`."""
        uses = read_selectors(self.project.matrix_file)
        old = read_selected(self.project.root / SELECTED_FILE)
        stale = [
            f'line {use.line}: the selector "{use.selector.text}" is not resolved' for use in uses if use.key not in old
        ]
        if self.upgrade:
            stale += self._select(uses, old, datetime.now(UTC).date())[1]
        if any(use.key not in old for use in uses):
            return stale
        named = self._named(self.project, uses)
        environments = [each for each in self.project.config_of_environments.environments if not each.image]
        for environment in environments:
            if self.ids and environment.id not in named:
                continue
            try:
                lock = read_lock(self.project.locks, environment)
            except ConfigError as error:
                stale.append(f"{environment.id}: {error.what}")
                continue
            if lock is None:
                stale.append(f"{environment.id}: has no lock")
            elif self.upgrade and (environment.id in named or _moves(environment)):
                with tempfile.TemporaryDirectory(prefix="tfmatrix-lock-") as folder:
                    after = make_lock(Path(folder), environment, self.uv, progress=self.say)
                if after.digest != lock.digest:
                    stale.append(f"{environment.id}: {_difference(lock, after)}")
        return stale + self._orphans(environments)

    def _select(
        self, uses: Sequence[SelectorUse], old: Mapping[tuple[str, str], Selected], today: date
    ) -> tuple[dict[tuple[str, str], Selected], list[str]]:
        """The answers to all selectors, asked where need be, and what is new in them."""
        index = Index.of(self.uv)
        new: dict[tuple[str, str], Selected] = {}
        news = []
        for use in uses:
            before = old.get(use.key)
            wanted = self.upgrade and (not self.ids or use.selector.text in self.ids)
            if before is not None and not wanted:
                new[use.key] = before
                continue
            text = use.selector.text
            self.say(f'asking the package index what "{text}" means')
            versions = tuple(resolve_selector(text, index, package=use.package))
            if before is None:
                news.append(f"{text}: {', '.join(versions) or 'none today'}")
            elif versions != before.versions:
                news.append(f"{text}: {_changes(before.versions, versions)}")
            if before is not None and versions == before.versions:
                new[use.key] = before  # its day stays: the file changes where a choice does
            else:
                new[use.key] = Selected(package=use.package, selector=text, versions=versions, date=today.isoformat())
        return new, news

    def _named(self, project: Project, uses: Sequence[SelectorUse]) -> set[str]:
        """The ids that are meant, with those that named selectors stand for. UsageError with a did-you-mean."""
        texts = {use.selector.text for use in uses}
        found = {each for text in self.ids if text in texts for each in project.config_of_environments.selected[text]}
        return found | {project.config_of_environments.environment(each).id for each in self.ids if each not in texts}

    def _is_due(self, project: Project, environment: Environment, named: Collection[str]) -> bool:
        if environment.id in named and environment.id in self.ids:
            return True
        if self.upgrade and _moves(environment) and (not self.ids or environment.id in named):
            return True
        return read_lock(project.locks, environment) is None

    def _orphans(self, environments: Sequence[Environment]) -> list[str]:
        """Locks that no environment has any more."""
        known = {f"{environment.id}.txt" for environment in environments}
        there = sorted(self.project.locks.glob("*.txt")) if not self.ids else []
        return [
            f"{path.name}: no environment has this lock any more: remove it" for path in there if path.name not in known
        ]


def raise_stale(stale: Sequence[str], *, upgrade: bool) -> None:
    """The error for `lock --check`; none where nothing is stale."""
    if stale:
        lines = "".join(f"\n    {line}" for line in stale)
        raise UsageError(
            f"stale: {len(stale)}{lines}", fix="tfmatrix lock --upgrade" if upgrade else "tfmatrix lock [ID]..."
        )


def _moves(environment: Environment) -> bool:
    """Whether its packages depend on the day they are looked up."""
    return environment.as_of == "today"


def _read(project: Project, environment: Environment) -> Lock | None:
    """The lock as it was; None where there was none that fits."""
    try:
        return read_lock(project.locks, environment)
    except ConfigError:
        return None


def _changes(before: Sequence[str], after: Sequence[str]) -> str:
    """What a selector chooses otherwise than before: new patches, new minors, what is gone."""
    minors = {Version(each).release[:2]: each for each in before}
    parts, replaced = [], set()
    for version in after:
        if version in before:
            continue
        older = minors.get(Version(version).release[:2])
        if Version(version).is_prerelease:
            parts.append(f"new release candidate {version}")
        elif older is None:
            parts.append(f"new minor {version}")
        else:
            replaced.add(older)
            parts.append(f"new patch {version} (was {older})")
    parts += [f"{version} is gone" for version in before if version not in after and version not in replaced]
    return ", ".join(parts)


def _difference(before: Lock | None, after: Lock) -> str:
    """What a lock has otherwise than before: TensorFlow and Keras first."""
    if before is None:
        keras = f", Keras {after.keras}" if after.keras else ""
        return f"locked: TensorFlow {after.tensorflow}{keras}, {len(after.packages)} packages"
    if before.digest == after.digest:
        return "nothing new"
    first = [after.distribution, *DECIDING]
    names = sorted(before.packages.keys() | after.packages.keys(), key=lambda name: (name not in first, name))
    changed = [
        f"{name} {before.packages.get(name, 'none')} -> {after.packages.get(name, 'none')}"
        for name in sorted(names, key=lambda name: first.index(name) if name in first else len(first))
        if before.packages.get(name) != after.packages.get(name)
    ]
    more = f", and {len(changed) - _SHOWN} more packages" if len(changed) > _SHOWN else ""
    return ", ".join(changed[:_SHOWN]) + more if changed else "other files of the same versions"
