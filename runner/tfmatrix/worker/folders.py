"""Folders that strangers filled: what they take, and how they go away. Follows no link and gives up at no depth.

Standard library only: the host uses it for what a worker left behind.
"""

from __future__ import annotations

import os
import stat
import uuid
from typing import List, NamedTuple, Tuple

_ONLY_A_FOLDER = [getattr(os, name, 0) for name in ("O_DIRECTORY", "O_NOFOLLOW", "O_CLOEXEC")]
DIRECTORY = os.O_RDONLY | _ONLY_A_FOLDER[0] | _ONLY_A_FOLDER[1] | _ONLY_A_FOLDER[2]
"""Flags that open a folder, and nothing that stands in its place. Windows lacks them, where nothing is measured."""


MAX_DEPTH = 32
"""Levels of folders that are taken from a job."""


class Usage(NamedTuple):
    """What a tree takes: bytes on disk, entries, and how deep it is."""

    bytes: int
    entries: int
    depth: int


def usage(path: str, max_bytes: int, max_entries: int, max_depth: int) -> Usage:
    """What a folder takes; counting stops where one of the limits is passed, so that no tree takes long."""
    total = entries = deepest = 0
    waiting: List[Tuple[str, int]] = [(path, 1)]
    while waiting:
        folder, depth = waiting.pop()
        deepest = max(deepest, depth)
        try:
            with os.scandir(folder) as found:
                for entry in found:
                    entries += 1
                    status = entry.stat(follow_symlinks=False)
                    # Sparse files are counted by what they take; the host judges what they would be.
                    total += status.st_blocks * 512
                    if stat.S_ISDIR(status.st_mode):
                        waiting.append((entry.path, depth + 1))
                    if total > max_bytes or entries > max_entries or depth > max_depth:
                        return Usage(total, entries, deepest)
        except OSError:
            continue  # it went away, or its owner has locked it: what holds it back is counted elsewhere
    return Usage(total, entries, deepest)


def empty_folder(path: str) -> None:
    """Removes everything in a folder. Raises OSError for what cannot be removed.

    Folders are lifted to the top one by one before they are emptied, so that neither recursion nor the length of a
    path is a limit.
    """
    top = os.open(path, DIRECTORY)
    try:
        while True:
            entries = _entries(top)
            if not entries:
                return
            for name, is_folder in entries:
                if not is_folder:
                    os.unlink(name, dir_fd=top)
                    continue
                # Without the rights of its owner, its entries can be neither seen nor moved.
                os.chmod(name, 0o700, dir_fd=top)
                inner = os.open(name, DIRECTORY, dir_fd=top)
                try:
                    for each, is_inner_folder in _entries(inner):
                        if is_inner_folder:
                            os.chmod(each, 0o700, dir_fd=inner)
                            os.rename(each, uuid.uuid4().hex, src_dir_fd=inner, dst_dir_fd=top)
                        else:
                            os.unlink(each, dir_fd=inner)
                finally:
                    os.close(inner)
                os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)


def _entries(folder: int) -> List[Tuple[str, bool]]:
    """Name, and whether it is a folder, of everything in an open folder."""
    with os.scandir(folder) as found:
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]


def remove_tree(path: str) -> None:
    """Removes a folder, or whatever stands in its place; one that is gone is well. Raises OSError."""
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            empty_folder(path)
            os.rmdir(path)
        else:
            os.unlink(path)
    except FileNotFoundError:
        return


def hand_over(path: str, uid: int, gid: int) -> None:
    """Gives a tree whose makers are gone to another owner, who can then read all of it while nobody else can.

    Follows no link; set-user-id bits go. What lies deeper than anybody would take stays as it is.
    """
    os.chown(path, uid, gid, follow_symlinks=False)
    folder = os.open(path, DIRECTORY)
    try:
        os.fchmod(folder, 0o700)
        _hand_over(folder, uid, gid, MAX_DEPTH)
    finally:
        os.close(folder)


def _hand_over(folder: int, uid: int, gid: int, levels: int) -> None:
    with os.scandir(folder) as found:
        entries = [(entry.name, entry.stat(follow_symlinks=False).st_mode) for entry in found]
    for name, mode in entries:
        os.chown(name, uid, gid, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISREG(mode):
            os.chmod(name, 0o644, dir_fd=folder)
        elif stat.S_ISDIR(mode) and levels:
            inner = os.open(name, DIRECTORY, dir_fd=folder)
            try:
                os.fchmod(inner, 0o755)
                _hand_over(inner, uid, gid, levels - 1)
            finally:
                os.close(inner)
