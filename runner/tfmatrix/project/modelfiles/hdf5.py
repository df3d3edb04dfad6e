"""What an HDF5 file's head says: which attributes its root has, and which Keras wrote it.

The file may be anybody's. pyfive reads it (pure Python: no bytes of a file reach a C library of the host), in a child
process that has so many seconds of processor time and so many bytes: a header that points at itself ends as an error.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tfmatrix.core.errors import InfrastructureError
from tfmatrix.project.modelfiles.heads import HDF5

CPU_SECONDS: Final = 5
"""Of the child. The head of a whole model takes 0.3, most of it numpy's import."""

WALL_SECONDS: Final = 30
"""For a machine that is busy, and where processor time cannot be limited."""

MEMORY: Final = 2 * 2**30
"""Bytes of the child's address space; a model's configuration has up to some 10 MB."""

AT_ONCE: Final = 100
"""Files whose heads one process reads."""

_READER = Path(__file__).with_name("hdf5_reader.py")


class Hdf5Error(Exception):
    """Not an HDF5 file, or a damaged one."""


@dataclass(frozen=True, kw_only=True)
class Hdf5Head:
    """`attributes` are the names of the root's; the others are what the file says, or empty: the two JSON texts too.

    `parameters` is how many numbers the model's variables have; None where that cannot be told within the limits.
    """

    attributes: frozenset[str]
    keras_version: str
    model_config: str = ""
    training_config: str = ""
    parameters: int | None = None


def read_head(path: Path) -> Hdf5Head:
    """The head of the file. Raises Hdf5Error, within WALL_SECONDS; InfrastructureError where there is no reader."""
    _check_length(path)
    found, *more = _told(path)
    if "error" in found:
        raise Hdf5Error(found["error"])
    return Hdf5Head(
        attributes=frozenset(found["names"]),
        keras_version=found["keras_version"],
        model_config=found["model_config"],
        training_config=found["training_config"],
        parameters=more[0].get("parameters") if more else None,
    )


def parameters_inside(archive: Path, member: str) -> int | None:
    """How many numbers the variables of an HDF5 file in a zip file have; None where that cannot be told."""
    try:
        count: int | None = _told(archive, member)[0].get("parameters")
    except Hdf5Error:
        return None
    return count


def look_ahead(paths: Iterable[Path]) -> None:
    """Reads heads of several files at once, for `read_head` to take: most of a reader's time is its imports.

    Those that are damaged, and all where processes are not forked, are left to `read_head`.
    """
    waiting = [(path.absolute(), state) for path in paths if (state := _state_of_hdf5(path)) is not None]
    if not hasattr(os, "fork"):
        return
    while waiting:
        batch, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
        given = [str(each) for each in (WALL_SECONDS, CPU_SECONDS, MEMORY, *(path for path, _ in batch))]
        try:
            done = _run("--each", *given, seconds=WALL_SECONDS * len(batch))
        except subprocess.TimeoutExpired:
            return
        each = iter(batch)
        told: list[dict[str, Any]] = []
        for line in _lines(done.stdout):
            if "ended" not in line:
                told.append(line)
                continue
            path, state = next(each)
            if line["ended"] == 0 and told and "error" not in told[0]:
                _AHEAD[path] = (state, told)
            told = []


_AHEAD: Final[dict[Path, tuple[tuple[int, ...], list[dict[str, Any]]]]] = {}
"""What was read ahead, with what the file looked like before; each is taken once."""


def _state(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _state_of_hdf5(path: Path) -> tuple[int, ...] | None:
    """What a file looks like; None for what does not begin as HDF5."""
    try:
        if not path.is_file():
            return None
        state = _state(path)
        with path.open("rb") as stream:
            return state if stream.read(len(HDF5)) == HDF5 else None
    except OSError:
        return None


def _told(path: Path, *more: str) -> list[dict[str, Any]]:
    """What the reader said, a line each: at least one. Raises Hdf5Error where it said nothing."""
    state, ahead = _AHEAD.pop(path.absolute(), ((), [])) if not more else ((), [])
    if ahead and state == _state(path):
        return ahead
    try:
        done = _run(str(path.absolute()), str(CPU_SECONDS), str(MEMORY), *more, seconds=WALL_SECONDS)
    except subprocess.TimeoutExpired as error:
        found = _lines(error.stdout)
        if found:
            return found
        if os.name == "nt":
            raise Hdf5Error(f"its head has no end: reading it took more than {WALL_SECONDS} s") from error
        # An endless head costs processor time, and that has its own limit: this one tells of the machine.
        raise InfrastructureError(
            f"{path} was not read within {WALL_SECONDS} s: this machine, or the disk that it lies on, is too busy",
            fix="try again later",
        ) from error
    found = _lines(done.stdout)
    if found:
        return found
    if done.returncode < 0:  # never on Windows, which has neither these signals nor this limit
        name = signal.Signals(-done.returncode).name
        if name in ("SIGXCPU", "SIGKILL"):
            raise Hdf5Error(f"its head has no end: reading it took more than {CPU_SECONDS} s of processor time")
        raise Hdf5Error(f"its reader died: {name}")
    said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["the reader said nothing"]
    raise InfrastructureError(
        f"HDF5 files cannot be read: {said[-1]}", fix="install tfmatrix again: it needs pyfive and numpy"
    )


def _run(*arguments: str, seconds: int) -> subprocess.CompletedProcess[bytes]:
    # numpy would reserve address space for a thread on each CPU.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-P", str(_READER), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, timeout=seconds, check=False)


def _lines(output: bytes | None) -> list[dict[str, Any]]:
    """The whole lines."""
    return [json.loads(line) for line in (output or b"").splitlines(keepends=True) if line.endswith(b"\n")]


def _check_length(path: Path) -> None:
    """Raises Hdf5Error where the file is shorter than its superblock says: half a download; pyfive does not look.

    Source: "HDF5 File Format Specification", version 3.0, II.A.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(64)
    if not head.startswith(HDF5) or len(head) < 48:
        raise Hdf5Error("not an HDF5 file" if size >= len(HDF5) else "truncated in its signature")
    version = head[8]
    if version not in (0, 1, 2, 3):
        raise Hdf5Error(f"superblock version {version} is not known")
    width = head[13] if version < 2 else head[9]
    end = {0: 24, 1: 28}.get(version, 12) + 2 * width
    whole = int.from_bytes(head[end : end + width], "little")
    if whole > size:
        raise Hdf5Error(f"truncated: it ought to have {whole} bytes and has {size}")
