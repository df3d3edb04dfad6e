"""The saves of a run: each looked up in the store, else made; a pair of scenario and writer is ready when all are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tfmatrix.core.outcome import Outcome
from tfmatrix.engine.environments import Environments
from tfmatrix.engine.jobs import Jobs
from tfmatrix.engine.plan import Save
from tfmatrix.engine.progress import Progress
from tfmatrix.engine.request import RunRequest
from tfmatrix.store.content import Store
from tfmatrix.store.runs import RunWriter

Pair = tuple[str, str]
"""A scenario and a writer."""


class Saves:
    """What the saves of a plan came to."""

    def __init__(
        self,
        request: RunRequest,
        environments: Environments,
        jobs: Jobs,
        store: Store,
        writer: RunWriter,
        progress: Progress,
    ) -> None:
        self._request = request
        self._environments = environments
        self._jobs = jobs
        self._store = store
        self._writer = writer
        self._progress = progress
        self._outcomes: dict[Save, Outcome] = {}
        self._cached: set[Save] = set()
        self._open: dict[Pair, set[Save]] = defaultdict(set)
        self._by_pair: dict[Pair, dict[Save, Outcome]] = defaultdict(dict)
        self._accounts: dict[str, Mapping[str, object]] = {}

    def __getitem__(self, save: Save) -> Outcome:
        return self._outcomes[save]

    def is_cached(self, save: Save) -> bool:
        """Whether it came from the store."""
        return save in self._cached

    def observations(self, pair: Pair) -> list[str]:
        """What the saves of a scenario and writer were observed as, as digests."""
        return [outcome.observation for outcome in self._by_pair[pair].values() if outcome.observation is not None]

    def begin(self, saves: Sequence[Save], pairs: Sequence[Pair], then: Callable[[Pair], None]) -> None:
        """Settles what the store has, and submits the rest.

        `then` is called for each of `pairs` once all its saves are there: together they tell the writer's noise.
        """
        for save in saves:
            self._open[save.scenario, save.writer].add(save)
        self._progress.saves(len(saves))
        for save in saves:
            self._begin(save, then)
        for pair in pairs:
            # Those with open saves follow when the last of these ends.
            if not self._open[pair]:
                then(pair)

    def _begin(self, save: Save, then: Callable[[Pair], None]) -> None:
        reason = self._environments.unavailable(save.writer)
        if reason is not None:
            self._settle(save, Outcome.infra(reason))
            return
        stored = self._jobs.stored(self._key(save))
        if stored is not None:
            self._cached.add(save)
            self._settle(save, stored)
        elif not self._request.phase.saves:
            self._settle(save, Outcome(status="skipped", reason="not in the store, and this phase does not save"))
        else:
            job = self._request.subjects[save.scenario].save_job(self._request.formats[save.saver])
            self._jobs.submit(save.writer, [job], partial(self._end, save, then))

    def _key(self, save: Save) -> str:
        return self._request.subjects[save.scenario].save_key(
            self._request.formats[save.saver],
            settings=self._request.settings,
            environment=self._environments.key(save.writer),
        )

    def _end(self, save: Save, then: Callable[[Pair], None], outcomes: Sequence[Outcome | None]) -> None:
        outcome = outcomes[0]
        assert outcome is not None, "a save is alone in its child"
        outcome = self._request.subjects[save.scenario].saved(outcome)
        self._jobs.keep(self._key(save), outcome)
        self._settle(save, outcome)
        pair = (save.scenario, save.writer)
        if not self._open[pair]:
            then(pair)

    def _settle(self, save: Save, outcome: Outcome) -> None:
        self._outcomes[save] = self._by_pair[save.scenario, save.writer][save] = outcome
        self._open[save.scenario, save.writer].discard(save)
        self._write_account(save, outcome)
        self._progress.saved(str(save), ok=outcome.status in ("ok", "unsupported"), cached=save in self._cached)

    def _write_account(self, save: Save, outcome: Outcome) -> None:
        digest = outcome.observation
        observation = self._store.folder(digest) if digest is not None else None
        account = self._request.subjects[save.scenario].account(outcome, observation)
        if account is not None:
            self._accounts[save.scenario] = account
            self._writer.update_header({"files": dict(self._accounts)})
