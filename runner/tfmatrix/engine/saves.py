"""The saves of a run: each looked up in the store, else made; a pair of scenario and writer is ready when all are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tfmatrix.core.outcome import Outcome
from tfmatrix.engine.environments import Environments
from tfmatrix.engine.estimate import Timings
from tfmatrix.engine.jobs import Asked, Jobs
from tfmatrix.engine.phase import Phase
from tfmatrix.engine.plan import Save
from tfmatrix.engine.progress import Progress
from tfmatrix.engine.request import RunRequest
from tfmatrix.store.content import Store
from tfmatrix.store.runs import RunWriter
from tfmatrix.worker.retraining import is_trained

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
        timings: Timings,
    ) -> None:
        self._request = request
        self._environments = environments
        self._jobs = jobs
        self._store = store
        self._writer = writer
        self._progress = progress
        self._timings = timings
        self._keys: dict[Save, str] = {}
        self._outcomes: dict[Save, Outcome] = {}
        self._cached: set[Save] = set()
        self._elsewhere: set[Save] = set()
        self._open: dict[Pair, set[Save]] = defaultdict(set)
        self._by_pair: dict[Pair, dict[Save, Outcome]] = defaultdict(dict)
        self._accounts: dict[str, Mapping[str, object]] = {}

    def __getitem__(self, save: Save) -> Outcome:
        return self._outcomes[save]

    def is_cached(self, save: Save) -> bool:
        """Whether it came from the store."""
        return save in self._cached

    def key(self, save: Save) -> str:
        """Its key; empty where its environment is not there."""
        if save not in self._keys:
            # Asked for each of the cells that read it.
            self._keys[save] = self._key(save) if self._environments.unavailable(save.writer) is None else ""
        return self._keys[save]

    def is_elsewhere(self, save: Save) -> bool:
        """Whether others made it, so that its files are not here."""
        return save in self._elsewhere

    def make(self, saves: Sequence[Save], then: Callable[[Pair], None]) -> None:
        """Makes what others made, here; `then` is called when all is there."""
        self._progress.saves(len(saves))
        for save in saves:
            self._elsewhere.discard(save)
            self._cached.discard(save)
            self._open[save.scenario, save.writer].add(save)
        for together in self._groups(saves):
            self._submit(together, then)

    def of_others(self, save: Save) -> Outcome | None:
        """What others made of the same save: another artifact than one that is made here, and as good."""
        return self._request.known.saves.get(self._key(save)) if self._request.known.saves else None

    def observations(self, pair: Pair) -> list[str]:
        """What the saves of a scenario and writer were observed as, as digests."""
        found = (outcome.observation for outcome in self._by_pair[pair].values())
        return [digest for digest in found if digest is not None and self._store.has_folder(digest)]

    def begin(self, saves: Sequence[Save], pairs: Sequence[Pair], then: Callable[[Pair], None]) -> None:
        """Settles what the store has, and submits the rest.

        `then` is called for each of `pairs` once all its saves are there: together they tell the writer's noise.
        """
        for save in saves:
            self._open[save.scenario, save.writer].add(save)
        self._progress.saves(len(saves))
        missing: dict[Pair, list[Save]] = defaultdict(list)
        for save in saves:
            if not self._is_settled(save):
                missing[save.scenario, save.writer].append(save)
        for group in missing.values():
            for together in self._groups(group):
                self._submit(together, then)
        for pair in pairs:
            # Those with open saves follow when the last of these ends.
            if not self._open[pair]:
                then(pair)

    def _is_settled(self, save: Save) -> bool:
        """Settles what needs no measurement; returns whether it did."""
        reason = self._environments.unavailable(save.writer)
        if reason is not None:
            self._settle(save, Outcome.infra(reason))
            return True
        stored = self._jobs.stored(self._key(save))
        if stored is not None:
            self._cached.add(save)
            self._settle(save, stored)
            return True
        elsewhere = self.of_others(save)
        if elsewhere is not None and self._request.phase in (Phase.ALL, Phase.TABLE):
            self._cached.add(save)
            self._elsewhere.add(save)
            self._settle(save, elsewhere)
            return True
        if not self._request.phase.saves:
            self._settle(save, Outcome(status="skipped", reason="not in the store, and this phase does not save"))
            return True
        return False

    def _groups(self, saves: Sequence[Save]) -> list[list[Save]]:
        """What shares a child, and so one training: formats of one scenario, but not those that run its own code.

        A format that trains itself starts before that training.
        """
        if self._request.isolated:
            return [[save] for save in saves]
        formats = self._request.formats
        alone = {name for name, each in formats.items() if each.functions or is_trained(each.checks)}
        shared = [save for save in saves if save.saver not in alone]
        # Files first: behind a folder, which may be a SavedModel, the worker saves nothing more.
        shared.sort(key=lambda save: "." not in formats[save.saver].artifact)
        return [each for each in (shared, *([save] for save in saves if save not in shared)) if each]

    def _submit(self, saves: Sequence[Save], then: Callable[[Pair], None]) -> None:
        subject = self._request.subjects[saves[0].scenario]
        jobs = [subject.save_job(self._request.formats[save.saver]) for save in saves]
        asks = [Asked(key=self._key(save), what=save) for save in saves]
        self._jobs.submit(saves[0].writer, jobs, partial(self._end, tuple(saves), then), asks=asks)

    def _key(self, save: Save) -> str:
        return self._request.save_key(save, self._environments.key(save.writer))

    def _end(self, saves: Sequence[Save], then: Callable[[Pair], None], outcomes: Sequence[Outcome | None]) -> None:
        """Settles what was saved. What did not come that far, or died beside others, is saved in a child of its own."""
        for save, outcome in zip(saves, outcomes, strict=True):
            if outcome is None or (len(saves) > 1 and outcome.ended is not None):
                self._submit([save], then)
                continue
            outcome = self._request.subjects[save.scenario].saved(outcome)
            self._jobs.keep(self._key(save), outcome)
            size = outcome.artifact["bytes"] if outcome.artifact is not None else 0
            self._timings.add_save(save.saver, outcome.total_seconds, size)
            self._settle(save, outcome)
        pair = (saves[0].scenario, saves[0].writer)
        if not self._open[pair]:
            then(pair)

    def _settle(self, save: Save, outcome: Outcome) -> None:
        self._outcomes[save] = self._by_pair[save.scenario, save.writer][save] = outcome
        self._open[save.scenario, save.writer].discard(save)
        self._write_account(save, outcome)
        self._progress.saved(ok=outcome.status in ("ok", "unsupported"), cached=save in self._cached)

    def _write_account(self, save: Save, outcome: Outcome) -> None:
        digest = outcome.observation
        observation = self._store.folder(digest) if digest is not None else None
        account = self._request.subjects[save.scenario].account(outcome, observation)
        if account is not None:
            self._accounts[save.scenario] = account
            self._writer.update_header({"files": dict(self._accounts)})
