"""Files that others wrote or named, read without an end to wait for."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

MOST = 64 << 20
"""Bytes of a file of text: far more than any lock has."""


def read_bounded(path: Path, *, most: int = MOST, plain: bool = True) -> bytes:
    """The bytes of a file. Raises OSError, of what has more than `most` bytes, too, as a device without an end.

    What is no plain file is refused: a pipe would be waited for. Where a person names the file (`@<(command)` of a
    shell), `plain` is False.
    """
    mode = path.stat().st_mode
    if plain and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a folder says what it is
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    with path.open("rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most >> 20} MB", str(path))
    return content
