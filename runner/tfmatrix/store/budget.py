"""Keeps the store within a budget: what was used longest ago goes first, and never what a run still needs.

An outcome is used when a run reads or writes it; its file's time says when, to a day. Artifacts and observations go
with the last outcome that speaks of them. What a run needs are the outcomes of its cells, the saves of their artifacts,
and all of their folders.
"""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfmatrix.store.runs import list_runs, read_run_folder

GOING_ON = 24 * 3600.0
"""Seconds: a run that is not complete and has written within them is taken to go on. What it has measured stays."""


@dataclass(frozen=True, kw_only=True)
class StoredOutcome:
    """An outcome on disk: the folders that it speaks of, its bytes, and when it was last used (seconds)."""

    path: Path
    folders: tuple[str, ...]
    artifact: str | None
    bytes: int
    last_used: float

    @property
    def key(self) -> str:
        """Under which it is stored."""
        return self.path.stem


@dataclass(frozen=True, kw_only=True)
class Needed:
    """What runs need: keys of outcomes, and digests of artifacts. What was used since `since` is needed, too."""

    keys: frozenset[str]
    artifacts: frozenset[str]
    since: float = float("inf")

    def holds(self, outcome: StoredOutcome) -> bool:
        """Whether an outcome has to stay."""
        return outcome.key in self.keys or outcome.artifact in self.artifacts or outcome.last_used >= self.since


@dataclass(frozen=True, kw_only=True)
class Freed:
    """What was removed, and what the store takes now."""

    outcomes: int
    bytes: int
    left: int


def needed_by_runs(results: Path, archives: Iterable[Path] = ()) -> Needed:
    """What the newest complete run of each set needs, every archive, and every run that goes on."""
    keys: set[str] = set()
    artifacts: set[str] = set()
    since = float("inf")
    sets: set[str] = set()
    folders = [path for path in archives if (path / "run.json").is_file()]
    for summary in list_runs(results):
        if not summary.complete:
            started = (summary.folder / "run.json").stat().st_mtime
            if time.time() - started < GOING_ON:
                since = min(since, started - GOING_ON)
            continue
        name = str(json.loads((summary.folder / "run.json").read_bytes()).get("set"))
        if name not in sets:
            sets.add(name)
            folders.append(summary.folder)
    for folder in folders:
        for record in read_run_folder(folder).records:
            if record.key:
                keys.add(record.key)
            if record.artifact is not None:
                artifacts.add(str(record.artifact.get("digest")))
    return Needed(keys=frozenset(keys), artifacts=frozenset(artifacts), since=since)


def stored_outcomes(store: Path) -> list[StoredOutcome]:
    """All outcomes of a store, those first that were used longest ago."""
    found = []
    for path in (store / "outcomes").glob("*/*.json"):
        try:
            status = path.stat()
            data: Any = json.loads(path.read_bytes())["outcome"]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # just removed, or damaged: the run that wants it says so
        artifact = (data.get("artifact") or {}).get("digest")
        folders = tuple(each for each in (artifact, data.get("observation")) if isinstance(each, str))
        found.append(
            StoredOutcome(
                path=path, folders=folders, artifact=artifact, bytes=status.st_size, last_used=status.st_mtime
            )
        )
    return sorted(found, key=lambda each: (each.last_used, each.key))


def prune_store(store: Path, *, keep: int, needed: Needed) -> Freed:
    """Removes outcomes and their folders until the store takes at most `keep` bytes, or only what is needed is left.

    Folders that no outcome speaks of go first: a killed run left them.
    """
    outcomes = stored_outcomes(store)
    sizes = {path.name: bytes_of(path) for path in (store / "folders").glob("??/*") if path.is_dir()}
    users = Counter(digest for outcome in outcomes for digest in outcome.folders)
    total = sum(sizes.values()) + sum(each.bytes for each in outcomes)
    before, removed = total, 0
    for digest in _unused(sizes, users, store):
        total -= _remove_folder(store, digest, sizes)
    for outcome in outcomes:
        if total <= keep:
            break
        if needed.holds(outcome):
            continue
        # The outcome first: one without its folders is measured again, and a folder alone is nobody's.
        outcome.path.unlink(missing_ok=True)
        total -= outcome.bytes
        removed += 1
        for digest in outcome.folders:
            users[digest] -= 1
            if users[digest] <= 0:
                total -= _remove_folder(store, digest, sizes)
    return Freed(outcomes=removed, bytes=before - total, left=total)


def bytes_of(folder: Path) -> int:
    """The sizes of all files in a folder together."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _unused(sizes: Collection[str], users: Counter[str], store: Path) -> list[str]:
    """Folders that no outcome speaks of, and that no run is about to speak of."""
    now = time.time()
    return [
        digest
        for digest in sizes
        if not users[digest] and now - (store / "folders" / digest[:2] / digest).stat().st_mtime > GOING_ON
    ]


def _remove_folder(store: Path, digest: str, sizes: dict[str, int]) -> int:
    shutil.rmtree(store / "folders" / digest[:2] / digest, ignore_errors=True)
    return sizes.pop(digest, 0)
