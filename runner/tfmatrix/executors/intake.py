"""Takes over what a job left in its worker's folder. Nothing else opens such a folder.

A job runs a stranger's model, so its folder may hold anything: links to other files, pipes, files that are larger than
the disk, names that no file system has. Folders are opened without following links, everything is looked at before
anything is copied, and only the copy, which no worker can reach, is read, hashed and kept. What cannot be taken is a
finding about that job and about nobody else.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfmatrix.checks.observation_schema import problem_in
from tfmatrix.core.errors import InfrastructureError, disk_failure
from tfmatrix.core.outcome import Outcome
from tfmatrix.executors.base import SCENARIOS_MOUNT, STORE_MOUNT, WORK_MOUNT, WORKER_FOLDER, WORKER_MOUNT
from tfmatrix.executors.replies import RefusedError, Reply, read_reply
from tfmatrix.project.modelfiles import tflite
from tfmatrix.store.content import Store
from tfmatrix.worker.declared import artifact_kind
from tfmatrix.worker.folders import DIRECTORY, MAX_DEPTH
from tfmatrix.worker.protocol import ARRAYS, ARTIFACT, DOCUMENT, OBSERVATION

# Absent on Windows, where no executor opens, so that no worker leaves anything to take over.
_FILE = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_CHUNK = 1 << 20
JOB_PLACE = "/tfmatrix/job"
"""What a job's folder is called in what it said: where it lay, and as which request, is nothing of the model's.

Two runs of the same, on two machines, say the same.
"""

_KINDS = {
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


@dataclass(frozen=True, kw_only=True)
class Quota:
    """What is taken of one job at most: bytes, of which sparse files count all, and files and folders."""

    bytes: int = 8 << 30
    entries: int = 20_000


@dataclass(frozen=True)
class _File:
    """A regular file as it was found: its place under the folder, its size, and what it is."""

    parts: tuple[str, ...]
    size: int
    identity: tuple[int, int]


@dataclass(frozen=True)
class _Survey:
    folders: list[tuple[str, ...]]
    files: list[_File]

    @property
    def bytes(self) -> int:
        return sum(each.size for each in self.files)


def take_over(
    result: Any,
    folder: Path,
    *,
    store: Store,
    quota: Quota,
    phase: str,
    artifact: str | None = None,
    observes: bool = True,
) -> Outcome:
    """Moves what a job left in its folder into the store and makes an outcome of its result.

    `phase` is what the job was for, "save" or "load"; `artifact` is the name under which a save had to write, and None
    where none is taken; `observes`: it had to leave an observation. Full disks and the like are an outcome "infra".
    """
    try:
        reply = read_reply(result)
        if reply.status == "internal-error":
            assert reply.error is not None, "read_reply holds that"
            said = f"the worker failed: {reply.error.type}: {reply.error.message}"
            return Outcome.infra(said, reply.error.traceback)
        return _taken(reply, folder, store, quota, artifact, observes)
    except RefusedError as refusal:
        return Outcome.refused(phase, str(refusal))
    except InfrastructureError as error:
        return Outcome.infra(error.what)
    except OSError as error:
        if disk_failure(error) is None:
            raise
        return Outcome.infra(f"the store cannot be written: {disk_failure(error)}")


def take_unfinished(folder: Path, *, store: Store, quota: Quota) -> tuple[str, str] | None:
    """The observation that a job left whose process ended: its digest, and the phase before which it was written.

    None where there is none, or none that can be read: then all that is known is that the process ended.
    """
    try:
        with store.incoming() as target:
            _stage_observation(folder, target, quota)
            phase = json.loads((target / DOCUMENT).read_text(encoding="utf-8")).get("unfinished")
            return (store.keep(target), str(phase)) if phase else None
    except (RefusedError, InfrastructureError, OSError):
        return None


def copy_folder(source: Path, target: Path, *, what: str, quota: Quota) -> int:
    """Copies a stranger's folder into an empty one; returns its bytes. Raises RefusedError as for what a job left."""
    try:
        descriptor = os.open(source, DIRECTORY)
    except OSError as error:
        raise _unreadable(what, (), error) from error
    try:
        survey = _survey(descriptor, what, quota)
        _copy(descriptor, survey, target, what)
    finally:
        os.close(descriptor)
    return survey.bytes


def _taken(reply: Reply, folder: Path, store: Store, quota: Quota, artifact: str | None, observes: bool) -> Outcome:
    saved = observed = None
    described: Mapping[str, Any] = {}
    if reply.status == "ok" and artifact is not None and not reply.artifact:
        raise RefusedError("the job says that it saved, and left no artifact")
    if reply.status == "ok" and observes and not reply.observation:
        raise RefusedError("the job says that it is done, and left no observation")
    if reply.artifact and artifact is None:
        raise RefusedError("the job left an artifact, and was not to save")
    with contextlib.ExitStack() as stack:
        # Both are held to the rules before one is kept: what is refused leaves nothing in the store.
        if reply.artifact and artifact is not None:
            saved = stack.enter_context(store.incoming())
            described = _stage_artifact(folder, artifact, saved, quota)
        if reply.observation:
            observed = stack.enter_context(store.incoming())
            _stage_observation(folder, observed, quota)
        return Outcome(
            status=reply.status,
            phase=reply.phase,
            reason=reply.reason,
            error=None if reply.error is None else reply.error.model_dump(),
            warnings=tuple(warning.model_dump() for warning in reply.warnings),
            seconds=reply.seconds,
            artifact=None if saved is None else {**described, "digest": store.keep(saved)},
            observation=None if observed is None else store.keep(observed),
            executed=reply.executed,
        )


def placed(outcome: Outcome, *, folder: Path, store: Store, scenarios: Path) -> Outcome:
    """The outcome with the names that a container has for them in place of the folders of this host.

    `folder` is the job's.
    """
    places = {folder: JOB_PLACE, store.root / "folders": STORE_MOUNT, scenarios: SCENARIOS_MOUNT}
    seen = {str(WORK_MOUNT / folder.parent.name / folder.name): JOB_PLACE}
    for path, place in {**places, WORKER_FOLDER: WORKER_MOUNT}.items():
        seen |= {str(path.absolute()): str(place), str(path.resolve()): str(place)}

    def with_places(told: Mapping[str, Any]) -> dict[str, Any]:
        texts = {key: value for key, value in told.items() if isinstance(value, str)}
        for name, place in seen.items():
            texts = {key: value.replace(f"{name}/", f"{place}/") for key, value in texts.items()}
        return {**told, **texts}

    return replace(
        outcome,
        error=None if outcome.error is None else with_places(outcome.error),
        warnings=tuple(map(with_places, outcome.warnings)),
    )


def _stage_artifact(folder: Path, name: str, target: Path, quota: Quota) -> dict[str, Any]:
    """Copies an artifact; returns what it is: name, kind and bytes."""
    with _opened(folder, ARTIFACT, "artifact") as source:
        survey = _survey(source, "artifact", quota)
        # A format of somebody's own may save a folder and put nothing into it: that is an artifact, too.
        found = [*(each.parts for each in survey.files), *survey.folders]
        if not found:
            raise RefusedError("the artifact is empty")
        if not any(parts[0].startswith(name) for parts in found):
            raise RefusedError(f"the artifact holds no {name}")
        _copy(source, survey, target, "artifact")
    path = target / name
    # A checkpoint is a prefix of several files' names.
    kind = artifact_kind(str(path)) if path.exists() else "prefix"
    return {"name": name, "kind": kind, "bytes": survey.bytes, **(_runtime(path) if kind == "tflite" else {})}


def _runtime(path: Path) -> dict[str, str]:
    """The least TensorFlow that a TFLite file says it needs; nothing where it says none."""
    try:
        runtime = tflite.about(path).runtime
    except tflite.FlatbufferError:
        return {}
    return {"runtime": runtime[:40]} if runtime else {}


def _stage_observation(folder: Path, target: Path, quota: Quota) -> None:
    with _opened(folder, OBSERVATION, "observation") as source:
        survey = _survey(source, "observation", quota)
        if survey.folders or {each.parts for each in survey.files} != {(DOCUMENT,), (ARRAYS,)}:
            raise RefusedError(f"the observation is not {DOCUMENT} and {ARRAYS}")
        _copy(source, survey, target, "observation")
    wrong = problem_in(target)
    if wrong:
        raise RefusedError(f"the observation cannot be read: {wrong}")


@contextlib.contextmanager
def _opened(folder: Path, name: str, what: str) -> Iterator[int]:
    """A descriptor of a folder in a job's own; neither may be a link."""
    job = inner = -1
    try:
        try:
            job = os.open(folder, DIRECTORY)
            inner = os.open(name, DIRECTORY, dir_fd=job)
        except OSError as error:
            raise _unreadable(what, (), error) from error
        yield inner
    finally:
        for descriptor in (inner, job):
            if descriptor >= 0:
                os.close(descriptor)


def _survey(source: int, what: str, quota: Quota) -> _Survey:
    """Everything in an open folder, or RefusedError: looked at, not opened."""
    survey = _Survey([], [])
    real = 0

    def look(folder: int, parts: tuple[str, ...]) -> None:
        nonlocal real
        if len(parts) > MAX_DEPTH:
            raise RefusedError(f"the {what} has more than {MAX_DEPTH} levels of folders")
        for name in _names(folder, what, quota.entries):
            place = (*parts, name)
            if len(survey.files) + len(survey.folders) >= quota.entries:
                raise RefusedError(f"the {what} holds more than {quota.entries} files and folders")
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            kind = stat.S_IFMT(status.st_mode)
            if kind == stat.S_IFDIR:
                survey.folders.append(place)
                with _inner(folder, name, what, place) as inner:
                    look(inner, place)
            elif kind == stat.S_IFREG:
                survey.files.append(_File(place, status.st_size, (status.st_dev, status.st_ino)))
                real += status.st_blocks * 512
                if max(real, survey.bytes) > quota.bytes:
                    raise RefusedError(f"the {what} is larger than {quota.bytes / 2**20:.0f} MB")
            elif kind == stat.S_IFLNK and _leads_out(folder, name, parts):
                raise RefusedError(f"the {what} holds a link out of its folder: {_shown(place)}")
            else:
                found = _KINDS.get(kind, "thing that is no file")
                raise RefusedError(f"the {what} holds a {found}, not only files and folders: {_shown(place)}")

    try:
        look(source, ())
    except OSError as error:
        raise _unreadable(what, (), error) from error
    return survey


def _names(folder: int, what: str, most: int) -> list[str]:
    """The names in an open folder, sorted; refused where one is not readable text."""
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            # What is no UTF-8 comes as lone surrogates, which are not printable either.
            if not entry.name.isprintable():
                raise RefusedError(f"the {what} holds a name that is no readable UTF-8: {entry.name!a:.200}")
            names.append(entry.name)
            if len(names) > most:
                raise RefusedError(f"the {what} holds more than {most} files and folders")
    return sorted(names)


@contextlib.contextmanager
def _inner(folder: int, name: str, what: str, place: tuple[str, ...]) -> Iterator[int]:
    try:
        descriptor = os.open(name, DIRECTORY, dir_fd=folder)
    except OSError as error:
        raise _unreadable(what, place, error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _leads_out(folder: int, name: str, parts: tuple[str, ...]) -> bool:
    target = os.readlink(name, dir_fd=folder)
    # Absolute where the target is: joining starts over there.
    place = Path(os.path.normpath(Path(*parts, target)))
    return place.is_absolute() or place.parts[:1] == (os.pardir,)


def _copy(source: int, survey: _Survey, target: Path, what: str) -> None:
    """Copies what was surveyed, byte by byte and not one more. RefusedError where it is not what it was."""
    for parts in survey.folders:
        target.joinpath(*parts).mkdir()
    for each in survey.files:
        with contextlib.ExitStack() as stack:
            folder = source
            for name in each.parts[:-1]:
                folder = stack.enter_context(_inner(folder, name, what, each.parts))
            try:
                origin = os.open(each.parts[-1], _FILE, dir_fd=folder)
            except OSError as error:
                raise _unreadable(what, each.parts, error) from error
            stack.callback(os.close, origin)
            status = os.fstat(origin)
            if (status.st_dev, status.st_ino) != each.identity or status.st_size != each.size:
                raise RefusedError(f"the {what} changes while it is read: {_shown(each.parts)}")
            copy = os.open(target.joinpath(*each.parts), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            stack.callback(os.close, copy)
            _pour(origin, copy, each, what)


def _pour(origin: int, copy: int, each: _File, what: str) -> None:
    left = each.size
    while left:
        piece = os.read(origin, min(left, _CHUNK))
        if not piece:
            raise RefusedError(f"the {what} changes while it is read: {_shown(each.parts)}")
        left -= len(piece)
        while piece:
            piece = piece[os.write(copy, piece) :]


def _unreadable(what: str, place: tuple[str, ...], error: OSError) -> Exception:
    """RefusedError for what the job did to its folder; the error itself for what the disk did."""
    if disk_failure(error) is not None:
        return InfrastructureError(f"a worker's folder cannot be read: {disk_failure(error)}")
    where = f": {_shown(place)}" if place else ""
    return RefusedError(f"the {what} is no folder of plain files ({error.strerror}){where}")


def _shown(parts: tuple[str, ...]) -> str:
    text = "/".join(parts)
    return text if len(text) <= 200 else f"{text[:100]}…{text[-99:]}"
