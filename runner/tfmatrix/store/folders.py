"""Folders that belong to a living run: they go when it ends; the next run removes those of runs that were killed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from tfmatrix.worker.folders import remove_tree

_LOCK = ".lock"


@contextlib.contextmanager
def own_folder(folder: Path) -> Iterator[Path]:
    """A new folder for as long as the body runs. Those beside it that no living process holds are removed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder.parent)
    # The system gives the lock back when the process ends, however it ends.
    with _lock_of(folder):
        folder.mkdir(exist_ok=True)
        try:
            yield folder
        finally:
            _remove(folder)


def sweep(parent: Path) -> list[Path]:
    """Removes the folders in `parent` that no living process holds; returns them."""
    swept = []
    for folder in sorted(path for path in parent.iterdir() if path.is_dir() and not path.is_symlink()):
        try:
            with _lock_of(folder).acquire(timeout=0):
                _remove(folder)
                swept.append(folder)
        except Timeout:
            continue  # its run lives
    return swept


def _lock_of(folder: Path) -> FileLock:
    return FileLock(folder.with_name(folder.name + _LOCK))


def _remove(folder: Path) -> None:
    with contextlib.suppress(OSError):
        remove_tree(str(folder))
    if not folder.exists():
        folder.with_name(folder.name + _LOCK).unlink(missing_ok=True)
