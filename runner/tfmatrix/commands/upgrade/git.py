"""Files as they are in another commit of the project's git repository."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfmatrix.core.errors import UsageError
from tfmatrix.core.hints import did_you_mean

TIME_LIMIT = 60
"""Seconds for one git command."""


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit by the name that the user gave it."""

    name: str
    top: Path

    def read(self, path: Path) -> bytes:
        """The content of a file in this commit; FileNotFoundError where it has none."""
        inside = os.path.relpath(Path(path).resolve(), self.top).replace(os.sep, "/")
        found = _git(self.top, "cat-file", "blob", f"{self.name}:{inside}")
        if found.returncode:
            raise FileNotFoundError(2, f"there is no such file in {self.name}", str(path))
        return found.stdout


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


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command: Sequence[str] = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIME_LIMIT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"git cannot be run: {error}", expected="git, for --from-git", fix="give the old versions with --from"
        ) from error
