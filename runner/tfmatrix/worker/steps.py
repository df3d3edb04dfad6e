"""The steps of a job: calls of the code under test, each in its phase, whose exceptions are findings."""

from __future__ import annotations

import errno
import importlib.util
import os
import sys
import traceback
from types import ModuleType
from typing import Any, Callable, Mapping

import numpy as np
from capture import Recorder, shorten, words

MAX_TRACEBACK = 20000

MIN_FREE_BYTES = 1 << 20
"""A disk with less is full: a job that failed on it says nothing."""

_DISK_FAILURES = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)


class Unsupported(Exception):
    """The environment cannot do what the job asks for; not a failure of the model."""


class DiskFailure(Exception):
    """A disk was full or broken while a job ran: nothing is known of the model."""


class Failed(Exception):
    """An exception of the code under test, with the phase it came from."""

    def __init__(self, phase: str, error: BaseException) -> None:
        Exception.__init__(self, phase)
        self.phase = phase
        self.disk = disk_failure(error)
        self.executed: bool | None = None
        self.error = describe(error)

    def raise_disk_failure(self) -> None:
        """Raises DiskFailure where a disk was the reason."""
        if self.disk:
            raise DiskFailure("%s (%s: %s)" % (self.disk, self.error["type"], self.error["message"]))


def disk_failure(error: BaseException) -> str | None:
    """What a disk refused, where that is why a job failed; None where it is the job's own.

    Libraries tell it in words of their own, or not at all: then the disk itself is asked.
    """
    seen: BaseException | None = error
    for _ in range(20):
        if seen is None:
            break
        said = words(seen)
        for number in _DISK_FAILURES:
            if (isinstance(seen, OSError) and seen.errno == number) or os.strerror(number) in said:
                return os.strerror(number)
        seen = seen.__cause__ or seen.__context__
    free = os.statvfs(".")
    if free.f_bavail * free.f_frsize < MIN_FREE_BYTES or (free.f_files and not free.f_favail):
        return os.strerror(errno.ENOSPC)
    return None


def describe(error: BaseException) -> dict[str, str]:
    """An exception as data: type, message, traceback (each shortened in the middle)."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {"type": type(error).__name__, "message": shorten(words(error)), "traceback": shorten(text, MAX_TRACEBACK)}


def step(recorder: Recorder, phase: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """One call of the code under test, as (part of) a phase."""
    with recorder.phase(phase):
        try:
            return function(*arguments)
        except Failed:
            raise  # with the phase that it says
        # SystemExit too: a scenario that calls sys.exit() must not look like a finished job.
        except (Exception, SystemExit) as error:
            raise Failed(phase, error)


def import_file(path: str) -> ModuleType:
    """A scenario's file as a module, under its own name (which saved models record)."""
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a .py file has a loader"
    assert spec.loader is not None, "a .py file has a loader"
    module = importlib.util.module_from_spec(spec)
    # Pickled and marshalled code looks its module up by name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def custom_objects(recorder: Recorder, scenario: ModuleType) -> Any:
    """What the user of the scenario would pass to load_model, or None."""
    if not hasattr(scenario, "custom_objects"):
        return None
    return step(recorder, "import", scenario.custom_objects)


def rng(job: Mapping[str, Any]) -> Any:
    """The generator that the functions of a scenario get."""
    return np.random.RandomState(job["seed"])


def see_sources(job: Mapping[str, Any]) -> None:
    """Puts the project's own packages before all others, as they are for a script in its folder."""
    if job.get("sources"):
        sys.path.insert(0, str(job["sources"]))
