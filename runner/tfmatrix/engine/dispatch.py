"""The client of a distributed run: what a run asks for is put into batches, and units of an engine measure them.

The course is that of a local run: saves, loads, adaptive pairs, remedies, verdicts, records. Only who measures differs.
Nothing but the store is shared: a client that died is started again, and units find what was measured before.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfmatrix.core.environment import Environment
from tfmatrix.core.errors import InfrastructureError
from tfmatrix.core.ids import CellId
from tfmatrix.core.outcome import Outcome
from tfmatrix.core.scenario import Scenario
from tfmatrix.core.version import __version__
from tfmatrix.engine.batches import (
    SHORTEST,
    Batch,
    Described,
    Part,
    SentScenario,
    Trial,
    Wanted,
    dump_defaults,
    split,
    target_seconds,
    with_work,
)
from tfmatrix.engine.engines.base import End, Engine, Sent
from tfmatrix.engine.environments import Environments
from tfmatrix.engine.estimate import START_SECONDS, Past
from tfmatrix.engine.jobs import Asked, Jobs, Then
from tfmatrix.engine.measured import stored_outcome
from tfmatrix.engine.plan import Save
from tfmatrix.engine.progress import Progress
from tfmatrix.engine.request import RunRequest
from tfmatrix.engine.unit import batch_name, code_of_this_version, prepared_of, result_name
from tfmatrix.executors.base import Mounts, Prepared, WorkerProcess
from tfmatrix.store.content import Store
from tfmatrix.store.remote import SharedStore

TRIES = 3
"""How often a batch is begun before it counts as lost."""

WINDOW = 2
"""Batches for each worker that are with the engine: the next one waits there, the others here, where they may still go
to another one.
"""

_SLICE = 1.0


class Elsewhere:
    """The executor of a client: environments are provided by units, and no worker is started here."""

    def __init__(self, described: Mapping[str, Described], unavailable: Mapping[str, str]) -> None:
        self._described = described
        self._unavailable = unavailable

    @property
    def name(self) -> str:
        """That of the units."""
        return next((each.executor for each in self._described.values()), "none")

    @property
    def isolation(self) -> str:
        """That of the units."""
        return next((each.isolation for each in self._described.values()), "nothing was provided")

    @property
    def confines(self) -> bool:
        """Not known of units: what wants it is measured where it is."""
        return False

    def prepare(self, environment: Environment) -> Prepared:
        """See Executor."""
        if environment.id not in self._described:
            raise InfrastructureError(self._unavailable[environment.id])
        return prepared_of(self._described[environment.id])

    def start(self, prepared: Prepared, mounts: Mounts, *, start_method: str = "fork") -> WorkerProcess:  # noqa: ARG002
        """See Executor."""
        raise InfrastructureError(f"{prepared.environment.id} is not on this machine")

    def sweep(self) -> None:
        """See Executor."""


@dataclass(kw_only=True)
class _Open:
    """A batch that is to be done: what waits for it, and how often it was begun."""

    batch: Batch
    parts: Sequence[Part]
    begun: int = 0
    since: float = 0.0


class Distribution:
    """The batches of one run on one engine."""

    def __init__(
        self,
        engine: Engine,
        store: SharedStore,
        *,
        executor: str,
        wanted: Mapping[str, Wanted],
        request: RunRequest,
        past: Past,
        progress: Progress,
    ) -> None:
        """`wanted` has the environments of the plan by id."""
        self._engine = engine
        self._store = store
        self._wanted = dict(wanted)
        self._request = request
        self._past = past
        self._progress = progress
        self._described: dict[str, Described] = {}
        self._unavailable: dict[str, str] = {}
        self._waiting: deque[_Open] = deque()
        self._running: dict[str, _Open] = {}
        self._counts: Counter[str] = Counter()
        self._expected = self._taken = 0.0
        self._scenarios = {name: self._sent(subject.about) for name, subject in request.subjects.items()}
        self._saves_of: dict[tuple[str, str], list[Save]] = defaultdict(list)
        for save in request.plan.saves:
            self._saves_of[save.scenario, save.writer].append(save)
        self._common = Batch(
            tfmatrix=__version__,
            code=code_of_this_version(),
            executor=executor,
            defaults=dump_defaults(request.defaults),
            steps=request.resume_steps,
            environments=(),
            remedies=request.remedies,
        )

    def provide(self) -> Elsewhere:
        """Has every environment provided once, which tells its key."""
        for wanted in self._wanted.values():
            self._waiting.append(_Open(batch=replace(self._common, environments=(wanted,)), parts=()))
        self._counts["total"] += len(self._waiting)
        while self._waiting or self._running:
            for each, result in self._ended():
                environment = each.batch.environments[0].environment
                told = (result or {}).get("environments", {}).get(environment.id)
                if told is None or "unavailable" in told:
                    reason = told["unavailable"] if told else str((result or {})["failure"])
                    self._unavailable[environment.id] = reason
                    self._progress.warning(f"{environment.id} cannot be provided: {reason}")
                else:
                    self._described[environment.id] = Described(environment=environment, **told)
        return Elsewhere(self._described, self._unavailable)

    def jobs(self, request: RunRequest, store: Store, environments: Environments) -> Jobs:
        """What takes the place of workers on this machine."""
        return DistributedJobs(self, request, store, environments)

    def facts(self) -> dict[str, Any]:
        """As run.json has it."""
        return {
            "name": self._engine.name,
            "store": self._store.remote.url,
            "workers": self._engine.workers(),
            "batches": self._counts["done"],
            "lost": self._counts["lost"],
            "seconds": round(self._taken, 1),
        }

    # Batches

    def part(self, environment: str, variables: Mapping[str, str], asked: Asked, job: Mapping[str, Any]) -> Part:
        """A job as it goes into a batch; `variables` are what its worker has beside those of the environment."""
        match asked.what:
            case Save(saver=saver):
                return Part(environment=environment, key=asked.key, what=asked.what, seconds=self._past.save(saver)[0])
            case CellId(format=name):
                return Part(environment=environment, key=asked.key, what=asked.what, seconds=self._past.load(name))
        sent = {name: self._there(job[name]) for name in job}
        trial = Trial(environment=environment, key=asked.key, job=sent, variables=variables)
        return Part(environment=environment, key=asked.key, what=trial, seconds=self._past.load(job["format"]["id"]))

    def is_free(self, parts: Sequence[Part]) -> bool:
        """Whether it is time to put these into batches, or more of them should come together first."""
        busy = len(self._waiting) + len(self._running)
        if not busy or self._engine.in_rounds:
            return not busy
        lanes = {(type(part.what), part.environment) for part in parts}
        worth = max(SHORTEST, START_SECONDS * len(lanes))
        return busy < self._engine.workers() and sum(part.seconds for part in parts) >= worth

    def add(self, parts: Sequence[Part]) -> None:
        """Puts parts into batches, to be done."""
        workers = self._engine.workers()
        target = target_seconds(sum(part.seconds for part in parts), workers, longest=self._engine.longest)
        for group in split(parts, target):
            batch = with_work(self._for(group), self._request.plan, group, self._saves_of)
            if not isinstance(group[0].what, Save):
                batch = replace(batch, made=self._made(batch.saves))
            self._waiting.append(_Open(batch=batch, parts=group))
            self._counts["total"] += 1

    def is_busy(self) -> bool:
        """Whether any batch is still to be done."""
        return bool(self._waiting or self._running)

    def take(self) -> list[tuple[Part, Outcome]]:
        """Waits a little for batches to end; returns what their parts came to."""
        found = []
        for each, result in self._ended():
            found += self._came(each, result)
        return found

    def cancel(self) -> None:
        """Ends what runs."""
        self._waiting.clear()
        self._running.clear()
        self._engine.cancel()

    def _for(self, parts: Sequence[Part]) -> Batch:
        """What a batch with these parts needs beside them."""
        here = parts[0].environment
        helper = self._request.legacy_readers.get(here)
        names = [here]
        if helper is not None and helper.id in self._described and not isinstance(parts[0].what, Save):
            names.append(helper.id)
        writers = {part.what.writer for part in parts if not isinstance(part.what, Trial)} - set(names)
        scenarios = {
            part.what.job["scenario"]["scenario"] if isinstance(part.what, Trial) else part.what.scenario
            for part in parts
        }
        formats = {part.what.saver for part in parts if isinstance(part.what, Save)}
        for cell in [part.what for part in parts if isinstance(part.what, CellId)]:
            formats |= {cell.format, *(save.saver for save in self._saves_of[cell.scenario, cell.writer])}
        return replace(
            self._common,
            environments=tuple(replace(self._wanted[name], key=self._described[name].key) for name in names),
            described=tuple(each for name, each in self._described.items() if name in writers),
            scenarios=tuple(self._scenarios[name] for name in sorted(scenarios)),
            formats=tuple(self._request.formats[name] for name in self._request.formats if name in formats),
            helpers={here: names[1]} if len(names) > 1 else {},
        )

    def _made(self, saves: Sequence[Save]) -> dict[str, dict[str, Any]]:
        """What saves came to, as this run has it."""
        keys = [
            self._request.save_key(save, self._described[save.writer].key)
            for save in saves
            if save.writer in self._described
        ]
        return {key: found.content for key in keys if (found := self._store.read_sealed(key)) is not None}

    def _sent(self, about: Any) -> SentScenario:
        """A scenario as units get it."""
        assert isinstance(about, Scenario), "model files are measured where they are"
        subject = self._request.subjects[about.name]
        sources = subject.load_code().get("sources")
        if sources is not None:
            self._store.remote.put_folder(Path(sources).name, Path(sources))
        known = {
            name: getattr(about, name) for name in Scenario.__dataclass_fields__ if name not in ("path", "sources")
        }
        path = Path(about.path)
        return SentScenario(
            name=about.name,
            file=path.name,
            text=path.read_text(encoding="utf-8"),
            sources=Path(sources).name if sources is not None else "",
            about=known,
        )

    def _there(self, value: Any) -> Any:
        """A value of a job, with what a path means anywhere."""
        if not isinstance(value, Path):
            return value
        folders = self._store.root / "folders"
        if value.is_relative_to(folders):
            _, digest, *inside = value.relative_to(folders).parts
            if self._store.is_here(digest):
                # Perhaps made here, as what a migration adapts.
                self._store.remote.put_folder(digest, self._store.folder(digest))
            return {"folder": digest, "path": "/".join(inside)}
        return {"scenario": value.stem}

    def _feed(self) -> None:
        """Hands over as many batches as the engine should hold."""
        room = WINDOW * self._engine.workers() - len(self._running)
        if self._engine.in_rounds:
            room = 0 if self._running else len(self._waiting)
        sent = []
        while self._waiting and room > 0:
            each = self._waiting.popleft()
            room -= 1
            each.begun += 1
            each.since = time.monotonic()
            name = each.batch.name
            self._store.remote.write_json(batch_name(name), each.batch.to_json())
            self._running[name] = each
            environments = tuple(wanted.environment.id for wanted in each.batch.environments)
            sent.append(Sent(name=name, environments=environments, seconds=each.batch.seconds))
        if sent:
            self._engine.submit(sent)

    def _ended(self) -> list[tuple[_Open, dict[str, Any] | None]]:
        """The batches that are over, with their results, or None for those that are lost; the others begin again."""
        self._feed()
        found: list[tuple[_Open, dict[str, Any] | None]] = []
        for end in self._engine.ends(_SLICE):
            each = self._running.pop(end.name, None)
            if each is None:
                continue  # told twice
            result, failure = self._result(end)
            if failure and each.begun < TRIES and not end.is_final:
                self._progress.warning(f"batch {end.name} ({each.batch.title}) begins again: {failure}")
                self._waiting.append(each)
                continue
            if failure:
                self._counts["lost"] += 1
                self._progress.warning(f"batch {end.name} ({each.batch.title}) could not be measured: {failure}")
                result = {**(result or {}), "failure": f"its batch was lost {each.begun} times: {failure}"}
            self._counts["done"] += 1
            self._expected += each.batch.seconds
            self._taken += float((result or {}).get("seconds") or 0.0)
            found.append((each, result))
            self._tell()
        self._feed()
        return found

    def _result(self, end: End) -> tuple[dict[str, Any] | None, str]:
        """What a unit wrote, and what failed of it."""
        if end.failure:
            return None, end.failure
        result = self._store.remote.read_json(result_name(end.name))
        if result is None:
            return None, "its unit ended, and left no result in the store"
        reasons = [told["unavailable"] for told in result["environments"].values() if "unavailable" in told]
        reasons += [str(outcome.get("reason")) for outcome in result["lost"].values()]
        return result, reasons[0].partition("\n")[0] if reasons else ""

    def _came(self, each: _Open, result: Mapping[str, Any] | None) -> list[tuple[Part, Outcome]]:
        """What the parts of a batch came to. Of a lost one what was measured before it was lost counts, too."""
        told = dict((result or {}).get("outcomes") or {})
        lost = (result or {}).get("lost") or {}
        self._store.take(told)
        found = []
        for part in each.parts:
            outcome = told.get(part.key) or lost.get(part.key)
            if outcome is None:
                outcome = self._store.ask(part.key)
                if outcome is not None:
                    self._store.take({part.key: outcome})
            try:
                found.append((part, Outcome.from_json(outcome) if outcome else _unmeasured(result)))
            except ValueError as error:
                found.append((part, Outcome.infra(f"its unit told what no outcome is: {error}")))
        return found

    def _tell(self) -> None:
        """Batches, workers, and the time left: by what is expected, at the pace of what is done."""
        left = sum(each.batch.seconds for each in (*self._waiting, *self._running.values()))
        pace = self._taken / self._expected if self._expected else 1.0
        workers = self._engine.workers()
        self._progress.batches(
            done=self._counts["done"],
            total=self._counts["total"],
            workers=workers,
            seconds=left * pace / min(workers, max(1, len(self._waiting) + len(self._running))),
        )


def _unmeasured(result: Mapping[str, Any] | None) -> Outcome:
    return Outcome.infra(str((result or {}).get("failure") or "its unit did not measure it"))


class DistributedJobs(Jobs):
    """The jobs of a run, which units do."""

    def __init__(
        self, distribution: Distribution, request: RunRequest, store: Store, environments: Environments
    ) -> None:
        super().__init__(request, store, environments)
        self._distribution = distribution
        self._environments = environments
        self._queue: dict[str, Part] = {}
        self._then: dict[str, list[Then]] = defaultdict(list)
        self._known: dict[str, Outcome] = {}
        self._ready: deque[tuple[Then, Outcome]] = deque()

    def stored(self, key: str) -> Outcome | None:
        """See Jobs."""
        return stored_outcome(self._store, key)

    def keep(self, key: str, outcome: Outcome) -> None:
        """Its unit has kept it."""

    def submit(
        self, environment: str, jobs: Sequence[Mapping[str, Any]], then: Then, *, asks: Sequence[Asked] = ()
    ) -> None:
        """See Jobs. What was measured in this run is told again: a unit has repeated what wants to be repeated."""
        for job, asked in zip(jobs, asks, strict=True):
            if asked.key in self._known:
                self._ready.append((then, self._known[asked.key]))
                continue
            if asked.key not in self._then:
                plain, variables = self._environments.plain(environment)
                self._queue[asked.key] = self._distribution.part(plain, variables, asked, job)
            self._then[asked.key].append(then)

    def run(self, when_idle: Callable[[], bool] = lambda: False) -> None:
        """See Jobs."""
        try:
            while True:
                while self._ready:
                    then, outcome = self._ready.popleft()
                    then([outcome])
                if self._queue and self._distribution.is_free(list(self._queue.values())):
                    parts = list(self._queue.values())
                    self._queue.clear()
                    self._distribution.add(parts)
                if self._distribution.is_busy():
                    self._tell(self._distribution.take())
                elif not self._queue and not self._ready and not when_idle():
                    return
        except BaseException:
            self._distribution.cancel()
            raise

    def _tell(self, came: Iterable[tuple[Part, Outcome]]) -> None:
        for part, outcome in came:
            self._known[part.key] = outcome
            self._ready.extend((then, outcome) for then in self._then.pop(part.key, ()))
