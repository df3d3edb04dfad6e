"""Files as they are in another commit of the project's git repository."""

from __future__ import annotations

import atexit
import functools
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfmatrix.core.errors import UsageError
from tfmatrix.core.hints import did_you_mean

TIME_LIMIT = 60
"""Seconds for one git command."""

MOST_BYTES = 4 << 20
"""Of a file of a commit that is looked at: the largest lock files have some megabytes."""


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit by the name that the user gave it."""

    name: str
    top: Path

    def inside(self, path: Path) -> Path:
        """A path of the working tree, from the top of the repository."""
        return Path(os.path.relpath(Path(path).resolve(), self.top))

    def changed(self, folder: Path) -> frozenset[Path]:
        """Files of the repository that are otherwise now, tracked or not, from a folder: some begin with `..`."""
        differs = _git(self.top, "diff", "--name-only", "--no-relative", "-z", self.name, "--")
        new = _git(self.top, "ls-files", "--others", "--exclude-standard", "-z")
        names = [*differs.stdout.split(b"\0"), *new.stdout.split(b"\0")]
        here = Path(folder).resolve()
        return frozenset(Path(os.path.relpath(self.top / os.fsdecode(name), here)) for name in names if name)

    def checkout(self) -> Path:
        """A folder with the commit's files, for tools that read more than one; it goes with this process.

        Text that may say what is installed: no files above `MOST_BYTES`, no links, no submodules.
        """
        return _checkout(self.top, self.name)


@functools.cache
def _checkout(top: Path, name: str) -> Path:
    folder = tempfile.TemporaryDirectory(prefix="tfmatrix-commit-")
    atexit.register(folder.cleanup)
    listed = _git(top, "ls-tree", "-r", "-l", "-z", name).stdout.split(b"\0")
    wanted: list[tuple[bytes, str]] = []
    for entry in filter(None, listed):
        facts, _, path = entry.partition(b"\t")
        mode, _, blob, size = facts.split()
        if mode != b"120000" and size.isdigit() and int(size) <= MOST_BYTES:
            wanted.append((blob, os.fsdecode(path)))
    found = _git(top, "cat-file", "--batch", stdin=b"".join(blob + b"\n" for blob, _ in wanted)).stdout
    position = 0
    for _, relative in wanted:
        end = found.index(b"\n", position)
        length = int(found[position:end].split()[2])
        target = Path(folder.name, relative)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(found[end + 1 : end + 1 + length])
        position = end + length + 2
    return Path(folder.name).resolve()


def open_commit(folder: Path, name: str) -> Commit:
    """The commit that a branch, tag or hash names, in the repository of a folder. UsageError where there is none."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top.returncode:
        raise UsageError(
            f"{folder} is in no git repository",
            expected="a checkout, for --from-git",
            fix="give the old versions with --from",
        )
    found = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found.returncode:
        names = _git(folder, "for-each-ref", "--format=%(refname:short)").stdout.decode("utf-8", "replace").split()
        raise UsageError(
            f'git knows no commit "{name}"',
            expected="a branch, a tag or a commit, such as main or origin/main",
            fix=did_you_mean(name, names)
            or "fetch it first (git fetch origin main); with actions/checkout, set fetch-depth: 0",
        )
    return Commit(name=name, top=Path(os.fsdecode(top.stdout).rstrip("\n")).resolve())


def _git(folder: Path, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command: Sequence[str] = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, input=stdin, capture_output=True, timeout=TIME_LIMIT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"git cannot be run: {error}", expected="git, for --from-git", fix="give the old versions with --from"
        ) from error
