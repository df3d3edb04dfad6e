"""The content-addressed store: artifacts and observations as folders, outcomes as JSON by key. Writes are atomic."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfmatrix.core.errors import StoreError
from tfmatrix.store.keys import digest_of_tree

STORE_SCHEMA = 1


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

    def add_folder(self, source: Path) -> str:
        """Moves a folder into the store; returns its digest. An equal folder that is there already is kept."""
        digest = digest_of_tree(source)
        target = self.folder(digest)
        if target.is_dir():
            shutil.rmtree(source)
            return digest
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".incoming-") as temporary:
            # Copied, not renamed: the worker may run as another user, who must not keep a right to change it.
            staged = Path(temporary) / digest
            shutil.copytree(source, staged, copy_function=shutil.copyfile)
            staged.chmod(0o755)
            try:
                staged.rename(target)
            except OSError:
                if not target.is_dir():
                    raise
        shutil.rmtree(source, ignore_errors=True)
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


def size_of_tree(root: Path) -> int:
    """Bytes of all files under a folder, or of the file itself."""
    if root.is_file():
        return root.stat().st_size
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
