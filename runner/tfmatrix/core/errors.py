"""The errors a user can meet. Each class owns its exit code; each message says what failed, where, and what to do."""

from __future__ import annotations

import errno
from enum import IntEnum
from pathlib import Path


class ExitCode(IntEnum):
    """What the process returns; documented in README.md and read by nightly jobs."""

    OK = 0
    INCOMPATIBLE = 1
    USAGE = 2
    NOTHING_SELECTED = 3
    INFRASTRUCTURE = 4
    INTERRUPTED = 130


class TfmatrixError(Exception):
    """A failure that is told to the user in a few lines, without a traceback.

    `what` is one sentence on what failed; `expected` what would have been right; `fix` what to do now.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, what: str, *, expected: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self.fix = fix

    def __str__(self) -> str:
        lines = [self.what]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.fix:
            lines.append(f"  to fix:   {self.fix}")
        return "\n".join(lines)


class UsageError(TfmatrixError):
    """The command line asks for something that cannot be done."""


class ConfigError(TfmatrixError):
    """A project file is wrong; names the file, the line (1-based) and the key path where they are known."""

    def __init__(
        self,
        what: str,
        *,
        file: Path | str,
        line: int | None = None,
        key: str = "",
        expected: str = "",
        fix: str = "",
    ) -> None:
        place = f"{file}" + (f":{line}" if line is not None else "") + (f": {key}" if key else "")
        super().__init__(f"{place}: {what}", expected=expected, fix=fix)
        self.file = str(file)
        self.line = line
        self.key = key


class NothingSelectedError(TfmatrixError):
    """The selection is empty: a typo must never yield a green empty run."""

    exit_code = ExitCode.NOTHING_SELECTED


class InfrastructureError(TfmatrixError):
    """An environment could not be provided, an engine failed, a worker was lost.

    Says nothing about compatibility: never a pass and never an incompatibility.
    """

    exit_code = ExitCode.INFRASTRUCTURE


class StoreError(TfmatrixError):
    """A stored file is damaged, or was written by a newer tfmatrix."""


_DISK_FAILURES = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG, errno.ESTALE}


def disk_failure(error: BaseException) -> str | None:
    """What a disk refused, where an error comes of one that is full, broken or read-only; None for every other."""
    if isinstance(error, OSError) and error.errno in _DISK_FAILURES:
        return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
    return None
