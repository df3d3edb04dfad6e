"""The remedy `tfmatrix migrate` of a cell: the artifact made anew by its reader, then loaded and judged like any other.

As for a file that is migrated: the writer leaves the neutral form, the reader builds and saves it in adapted terms, and
a fresh process of the reader loads what that gave.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from tfmatrix.core.outcome import Outcome
from tfmatrix.engine.adapters import adapt, limits
from tfmatrix.engine.adapters._objects import CannotAdaptError
from tfmatrix.engine.environments import Environments
from tfmatrix.engine.jobs import Asked, Jobs
from tfmatrix.engine.loads import Load, Loading
from tfmatrix.engine.phase import Phase
from tfmatrix.engine.request import RunRequest
from tfmatrix.store.content import Store
from tfmatrix.store.keys import digest_of
from tfmatrix.worker.protocol import NEUTRAL

FORMAT: Final = "keras"
"""What the new artifact is, as by default in `tfmatrix migrate`."""


class Adapted(NamedTuple):
    """A neutral form in another version's terms: its digest in the store, and what these terms cannot say, in words."""

    digest: str
    limits: tuple[str, ...]


def adapted(store: Store, digest: str, before: str, after: str) -> Adapted:
    """A neutral form (an artifact) of Keras `before` in the terms of Keras `after`.

    Raises CannotAdaptError where there is none, or the other version has no terms for it.
    """
    given = _read(store.fetched(digest) / NEUTRAL)
    document = adapt(given, before, after)
    with store.incoming() as folder:
        (folder / NEUTRAL).write_text(json.dumps(document, indent=1, sort_keys=True), encoding="utf-8")
        return Adapted(store.keep(folder), limits(given, before, after))


def _read(path: Path) -> Mapping[str, Any]:
    """A neutral form that a job left. Raises CannotAdaptError where the model has none, or it is none."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CannotAdaptError(f"its neutral form cannot be read: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("assets"), dict):
        raise CannotAdaptError("its neutral form is none")
    raised = document.get("error")
    if isinstance(raised, dict):
        raise CannotAdaptError(f"{raised.get('type')}: {raised.get('message')}")
    if not isinstance(document.get("model"), dict):
        raise CannotAdaptError("its neutral form holds no model")
    return document


@dataclass(frozen=True, kw_only=True)
class Remade:
    """What came of it: the artifact in the old one's place, and what its load (or the job that failed) came to.

    `problem` says why there was nothing to send to a worker. `fresh`: something was measured now.
    """

    saved: Outcome
    outcome: Outcome | None = None
    problem: str = ""
    seconds: float = 0.0
    fresh: bool = False


Then = Callable[[Remade | None], None]
"""Gets what came of it; None where nothing could be measured here."""


@dataclass(frozen=True, kw_only=True)
class Migrating:
    """Makes artifacts of cells anew."""

    request: RunRequest
    environments: Environments
    jobs: Jobs
    loading: Loading
    store: Store

    def begin(self, load: Load, then: Then) -> None:
        """Takes the artifact of a cell apart in its writer, and goes on from there; `then` is called at the end."""
        here = (load.cell.writer, load.cell.reader)
        if any(each not in self.environments or self.environments.unavailable(each) for each in here):
            then(None)
            return
        _Remaking(self, load, then).begin()


class _Remaking:
    """One artifact on its course through the three jobs."""

    def __init__(self, run: Migrating, load: Load, then: Then) -> None:
        self._run = run
        self._cell, self._saved = load.cell, load.saved
        self._then = then
        self._seconds = 0.0
        self._fresh = False

    def begin(self) -> None:
        assert self._saved.artifact is not None
        job = {
            "kind": "dismantle",
            **self._common,
            "format": self._run.request.formats[self._cell.format].to_job(),
            "artifact": self._run.store.folder(self._saved.artifact["digest"]) / self._saved.artifact["name"],
        }
        key = self._run.loading.key(self._cell, self._saved, self._cell.format, self._cell.writer)
        self._once(self._cell.writer, digest_of(["dismantle", key]), job, self._rebuild)

    @property
    def _common(self) -> Mapping[str, Any]:
        assert self._saved.observation is not None
        code = self._run.request.subjects[self._cell.scenario].load_code()
        return {**code, "reference": self._run.store.folder(self._saved.observation)}

    def _rebuild(self, outcome: Outcome) -> None:
        assert outcome.artifact is not None
        versions = self._run.environments.versions
        here, there = (versions(each).keras for each in (self._cell.writer, self._cell.reader))
        try:
            form = adapted(self._run.store, outcome.artifact["digest"], here, there).digest
        except CannotAdaptError as error:
            self._end(problem=str(error))
            return
        job = {
            "kind": "rebuild",
            **self._common,
            "format": self._run.request.formats[FORMAT].to_job(),
            "neutral": self._run.store.folder(form) / NEUTRAL,
        }
        key = self._run.loading.key(self._cell, self._saved, FORMAT, self._cell.reader)
        self._once(self._cell.reader, digest_of(["rebuild", form, key]), job, self._load)

    def _load(self, outcome: Outcome) -> None:
        self._saved = Outcome(status="ok", artifact=outcome.artifact, observation=self._saved.observation)
        job = self._run.loading.job(self._cell, self._saved, FORMAT)
        key = self._run.loading.key(self._cell, self._saved, FORMAT, self._cell.reader)
        self._once(self._cell.reader, key, job, lambda found: self._end(found))

    def _once(self, environment: str, key: str, job: Mapping[str, Any], then: Callable[[Outcome], None]) -> None:
        """Has a job done, unless the store has what came of it; goes on with what it made."""

        def take(outcome: Outcome) -> None:
            self._seconds += outcome.total_seconds
            if outcome.status == "ok":
                then(outcome)
            else:
                self._end(outcome)

        def end(outcomes: Sequence[Outcome | None]) -> None:
            outcome = outcomes[0]
            assert outcome is not None, "it is alone in its child"
            self._run.jobs.keep(key, outcome)
            self._fresh = True
            take(outcome)

        stored = self._run.jobs.stored(key)
        if stored is not None:
            take(stored)
        elif self._run.request.phase is Phase.TABLE:
            self._then(None)
        else:
            self._run.jobs.submit(environment, [job], end, asks=[Asked(key=key)])

    def _end(self, outcome: Outcome | None = None, problem: str = "") -> None:
        self._then(
            Remade(saved=self._saved, outcome=outcome, problem=problem, seconds=self._seconds, fresh=self._fresh)
        )
