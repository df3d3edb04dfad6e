"""The content-addressed store: artifacts and observations as folders, outcomes as JSON by key. Writes are atomic."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tfmatrix.core.data import parse_json
from tfmatrix.core.errors import InfrastructureError, StoreError, disk_failure
from tfmatrix.store.keys import canonical, digest_of, digest_of_tree
from tfmatrix.worker.folders import remove_tree

STORE_SCHEMA = 1

A_DAY = 24 * 3600.0
"""Seconds: the time of an outcome's file says, to a day, when it was last used."""
_INCOMING = ".incoming-"

_SEALED = re.compile(rb'\{"digest": "([0-9a-f]{64})", "outcome": (\{.*\}), "schema": %d\}\n' % STORE_SCHEMA)
"""The file of an outcome. Its text is in the canonical form, so that its digest is that of these bytes."""


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replaces a file at once: a reader sees the old or the new text, and a killed writer leaves the old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace"))
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class Stored(NamedTuple):
    """What lies under a key. `sealed`: with its digest; earlier versions wrote none, and judged less what they kept."""

    content: dict[str, Any]
    sealed: bool


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a whole store was found to be: counts, and the digests and keys of what was damaged and is removed."""

    folders: int
    outcomes: int
    damaged_folders: tuple[str, ...]
    damaged_outcomes: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether nothing was damaged."""
        return not self.damaged_folders and not self.damaged_outcomes


class Store:
    """Everything that runs have measured, under one folder. Several processes may use it at once.

    `folders/DIGEST/` hold artifacts and observations, `outcomes/KEY.json` what a save or a load came to. Nothing is
    believed unverified: what does not have its digest any more is removed, told to `say`, and measured again. `index/`
    remembers what the files of a verified folder looked like, so that most need not be read for that.
    """

    def __init__(self, root: Path, *, say: Callable[[str], None] = lambda _: None) -> None:
        """Raises InfrastructureError where the folder cannot be written."""
        self.root = root.resolve()
        self._say = say
        self._folders = self.root / "folders"
        self._outcomes = self.root / "outcomes"
        self._index = self.root / "index"
        self._verified: set[str] = set()
        self._told_full = False
        try:
            for folder in (self._folders, self._outcomes, self._index):
                folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.root).close()
        except OSError as error:
            raise unwritable(self.root, error) from error
        # Workers read it as somebody else, whatever the umask.
        with contextlib.suppress(PermissionError):
            self._folders.chmod(0o755)

    def folder(self, digest: str) -> Path:
        """Where the folder with that digest lies, whether it exists or not."""
        return self._folders / digest[:2] / digest

    def fetched(self, digest: str) -> Path:
        """The same, for one that is to be read now: where the store has several places, it is brought here."""
        return self.folder(digest)

    def has_folder(self, digest: str) -> bool:
        """Whether the folder is in the store, and is what it was when it came."""
        return self.is_here(digest)

    def is_here(self, digest: str) -> bool:
        """The same, where the store has several places: whether it is in this one."""
        if digest in self._verified:
            return True
        if not self.folder(digest).is_dir():
            return False
        if self._looks_the_same(digest) or self.verify_folder(digest):
            self._verified.add(digest)
            return True
        return False

    def verify_folder(self, digest: str) -> bool:
        """Reads a whole folder; whether it has its digest. One that has not is removed."""
        folder = self.folder(digest)
        try:
            found = digest_of_tree(folder)
        except OSError as error:
            found = f"unreadable: {error.strerror}"
        if found == digest:
            self._remember(digest)
            return True
        self._say(f"{folder} is damaged: it is removed, and what needs it is measured again")
        self._verified.discard(digest)
        remove_tree(str(folder))
        return False

    @contextlib.contextmanager
    def incoming(self) -> Iterator[Path]:
        """An empty folder to fill; what is not kept by `keep` is gone afterwards."""
        # Under a name that no digest has, on the same file system: a rename makes it visible at once.
        with tempfile.TemporaryDirectory(dir=self._folders, prefix=_INCOMING) as temporary:
            staged = Path(temporary) / "content"
            staged.mkdir()
            yield staged

    def keep(self, staged: Path) -> str:
        """Makes a filled folder part of the store; returns its digest. An equal one that is there already is kept."""
        for path in (staged, *staged.rglob("*")):
            # Workers read the store as somebody else, and nobody has a reason to change it.
            path.chmod(0o755 if path.is_dir() else 0o644)
        digest = digest_of_tree(staged)
        target = self.folder(digest)
        if self.is_here(digest):
            return digest
        target.parent.mkdir(parents=True, exist_ok=True)
        target.parent.chmod(0o755)
        try:
            staged.rename(target)
        except OSError:
            if not target.is_dir():
                raise
        self._remember(digest)
        self._verified.add(digest)
        return digest

    def read_outcome(self, key: str) -> dict[str, Any] | None:
        """What is stored under a key, or None. A file that is damaged is removed, and is none."""
        found = self.read_sealed(key)
        return None if found is None else found.content

    def read_sealed(self, key: str) -> Stored | None:
        """The same, and whether it came with its digest."""
        path = f"{self._outcomes}/{key[:2]}/{key}.json"  # as _outcome_path() has it, for less
        try:
            with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
                text, last_used = stream.read(), os.fstat(stream.fileno()).st_mtime
            schema, content, sealed = _opened(text)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            self.drop_outcome(key, f"damaged ({error})")
            return None
        except OSError as error:
            self._say(f"{path} cannot be read ({error.strerror}): it is measured again")
            return None
        if schema != STORE_SCHEMA:
            raise StoreError(
                f"{path}: schema {schema}, this tfmatrix reads {STORE_SCHEMA}",
                fix="upgrade tfmatrix, or run `tfmatrix clean --store`",
            )
        with contextlib.suppress(OSError):  # a store that is only read, or pruned meanwhile
            if time.time() - last_used > A_DAY:
                os.utime(path)
        return Stored(content, sealed)

    def drop_outcome(self, key: str, why: str) -> None:
        """Removes what is stored under a key: it is measured again."""
        path = self._outcome_path(key)
        self._say(f"{path} is {why}: it is removed, and measured again")
        path.unlink(missing_ok=True)

    def write_outcome(self, key: str, outcome: Mapping[str, Any]) -> None:
        """Stores an outcome under its key; on a disk that is full, it is told, and the outcome is measured again."""
        content = dict(outcome)
        text = canonical(content)
        digest = hashlib.sha256(text.encode()).hexdigest()
        try:
            write_atomically(
                self._outcome_path(key), f'{{"digest": "{digest}", "outcome": {text}, "schema": {STORE_SCHEMA}}}\n'
            )
        except OSError as error:
            if disk_failure(error) is None:
                raise
            if not self._told_full:
                self._say(f"{self.root} takes nothing more ({disk_failure(error)}): what is measured is not kept")
            self._told_full = True

    def verify(self) -> Verified:
        """Reads everything. What is damaged, and what killed runs left half written, is removed."""
        found: dict[str, list[str]] = {"folders": [], "outcomes": []}
        counts = dict.fromkeys(found, 0)
        for left in self._folders.glob(f"{_INCOMING}*"):
            remove_tree(str(left))
        for folder in sorted(self._folders.glob("??/*")):
            counts["folders"] += 1
            if not self.verify_folder(folder.name):
                found["folders"].append(folder.name)
        for path in sorted(self._outcomes.glob("??/*.json")):
            counts["outcomes"] += 1
            if self.read_outcome(path.stem) is None:
                found["outcomes"].append(path.stem)
        return Verified(
            folders=counts["folders"],
            outcomes=counts["outcomes"],
            damaged_folders=tuple(found["folders"]),
            damaged_outcomes=tuple(found["outcomes"]),
        )

    def _outcome_path(self, key: str) -> Path:
        return self._outcomes / key[:2] / f"{key}.json"

    def _looks_the_same(self, digest: str) -> bool:
        """Whether the files of a folder look as they did when they were read last."""
        try:
            remembered = parse_json((self._index / digest).read_bytes())
        except (OSError, ValueError):
            return False
        return bool(remembered == _look(self.folder(digest)))

    def _remember(self, digest: str) -> None:
        with contextlib.suppress(OSError):
            # A full disk: it is read again next time.
            write_atomically(self._index / digest, json.dumps(_look(self.folder(digest))))


def _opened(text: bytes) -> tuple[int, dict[str, Any], bool]:
    """Schema and content of the file of an outcome, verified, and whether it came with a digest to verify it by.

    Raises ValueError, KeyError or TypeError where it is damaged.
    """
    sealed = _SEALED.fullmatch(text)
    if sealed is not None and hashlib.sha256(sealed[2]).hexdigest().encode() == sealed[1]:
        return STORE_SCHEMA, parse_json(sealed[2]), True
    # An earlier version wrote it in another form, or none at all.
    data = parse_json(text)
    content = data["outcome"]
    if not isinstance(content, dict) or ("digest" in data and data["digest"] != digest_of(content)):
        raise ValueError("it has another digest")
    return data["schema"], content, "digest" in data


def _look(folder: Path) -> list[list[Any]]:
    """Name, size and times of every file, without reading one."""
    found: list[tuple[tuple[str, ...], os.stat_result]] = []
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        place = waiting.pop()
        with os.scandir(os.path.join(folder, *place)) as entries:  # noqa: PTH118
            for entry in entries:
                found.append(((*place, entry.name), entry.stat(follow_symlinks=False)))
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((*place, entry.name))
    return [["/".join(place), each.st_size, each.st_mtime_ns, each.st_ctime_ns] for place, each in sorted(found)]


def unwritable(folder: Path, error: OSError) -> InfrastructureError:
    """The error for a folder of results that nothing can be written to."""
    return InfrastructureError(
        f"{folder} cannot be written: {error.strerror}",
        expected="a folder with room, in which this user may write",
        fix="make room or give the right; results lie beside matrix.yaml",
    )
