"""The content-addressed store: artifacts and observations as folders, outcomes as JSON by key. Writes are atomic."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tfmatrix.core.errors import StoreError
from tfmatrix.store.keys import digest_of_tree

STORE_SCHEMA = 1
_INCOMING = ".incoming-"


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


class Store:
    """Everything that runs have measured, under one folder. Several processes may use it at once.

    `folders/DIGEST/` hold artifacts and observations, `outcomes/KEY.json` what a save or a load came to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._folders = self.root / "folders"
        self._outcomes = self.root / "outcomes"
        self._folders.mkdir(parents=True, exist_ok=True)
        self._outcomes.mkdir(parents=True, exist_ok=True)

    def folder(self, digest: str) -> Path:
        """Where the folder with that digest lies, whether it exists or not."""
        return self._folders / digest[:2] / digest

    def has_folder(self, digest: str) -> bool:
        """Whether the folder is in the store."""
        return self.folder(digest).is_dir()

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
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            staged.rename(target)
        except OSError:
            if not target.is_dir():
                raise
        return digest

    def read_outcome(self, key: str) -> dict[str, Any] | None:
        """The outcome stored under a key, or None."""
        path = self._outcome_path(key)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            data = json.loads(text)
            schema = data["schema"]
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{path}: not an outcome of the store ({error})", fix=f"delete {path}; it is measured again"
            ) from error
        if schema != STORE_SCHEMA:
            raise StoreError(
                f"{path}: schema {schema}, this tfmatrix reads {STORE_SCHEMA}",
                fix="upgrade tfmatrix, or run `tfmatrix clean --store`",
            )
        outcome: dict[str, Any] = data["outcome"]
        return outcome

    def write_outcome(self, key: str, outcome: Mapping[str, Any]) -> None:
        """Stores an outcome under its key."""
        text = json.dumps({"schema": STORE_SCHEMA, "outcome": dict(outcome)}, sort_keys=True)
        write_atomically(self._outcome_path(key), text + "\n")

    def _outcome_path(self, key: str) -> Path:
        return self._outcomes / key[:2] / f"{key}.json"
