"""From what a save and a load came to, to the record of a cell: checks, tolerances, marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.checks.attribution import attribute
from runner.checks.calibration import measure_noise, with_noise
from runner.checks.comparison import compare
from runner.checks.fingerprint import with_fingerprints
from runner.checks.observation import Observation
from runner.checks.verdict import Verdict, judge
from runner.config import Defaults, KnownFailure
from runner.models import CellId, CellRecord, Status
from runner.outcome import Outcome
from runner.store.content import Store
from runner.worker.formats import FORMATS

Noise = Mapping[str, Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict and where its drift comes from; what is computed from two observations, and kept in the store."""

    verdict: Verdict
    attribution: Mapping[str, Any] | None


class Judge:
    """Judges the cells of one run. Knows the settings, the noise of each writer, and what is known already."""

    def __init__(
        self,
        *,
        store: Store,
        run: str,
        defaults: Defaults,
        known_failures: Sequence[KnownFailure],
        keras: Mapping[str, str],
    ) -> None:
        """`keras` maps environments to the version of their Keras; `known_failures` are those that still count."""
        self._store = store
        self._run = run
        self._defaults = defaults
        self._known_failures = known_failures
        self._keras = keras
        self._noise: dict[tuple[str, str], Noise] = {}

    @property
    def noise(self) -> dict[str, Noise]:
        """What the writers' own repeated processes differ by, by `scenario/writer`; only where it is not nothing."""
        return {f"{scenario}/{writer}": noise for (scenario, writer), noise in sorted(self._noise.items()) if noise}

    def measure_noise(self, pair: tuple[str, str], digests: Iterable[str]) -> None:
        """Calibrates a scenario and writer by the observations of its saves, each of a fresh process."""
        different = sorted(set(digests))
        # Equal digests are equal observations: nothing to read.
        self._noise[pair] = (
            measure_noise([Observation.read(self._store.folder(digest)) for digest in different])
            if len(different) > 1
            else {}
        )

    def judge(
        self,
        cell: CellId,
        saved: Outcome,
        loaded: Outcome | None,
        *,
        loader: str | None = None,
        reader: str | None = None,
    ) -> Judgement:
        """The verdict of a cell and the attribution of its drift.

        `loader` and `reader` are those of a remedy, where they are not the cell's own format and reader.
        """
        if loaded is None or loaded.observation is None or saved.observation is None:
            return Judgement(verdict=judge(saved, loaded, None), attribution=None)
        writer = Observation.read(self._store.folder(saved.observation))
        read = Observation.read(self._store.folder(loaded.observation))

        def given(check: str) -> tuple[float | None, float | None]:
            return self._defaults.tolerance_for(cell.scenario, cell.format, check)

        tolerance_for = with_noise(self._noise.get((cell.scenario, cell.writer), {}), given)
        checks = compare(
            writer,
            read,
            applicable=FORMATS[loader or cell.format].CHECKS,
            tolerance_for=tolerance_for,
            same_keras=self._keras.get(cell.writer) == self._keras.get(reader or cell.reader),
        )
        verdict = judge(saved, loaded, checks)
        attribution = None
        if verdict.status is Status.DRIFT:
            attribution = attribute(writer, read, tolerance_for("outputs"), verdict.failed_checks)
        return Judgement(verdict=verdict, attribution=attribution)

    def promised(self, cell: CellId, saved: Outcome) -> tuple[str, ...]:
        """The checks that a load of the cell would have to hold: the format's, where the writer has something there."""
        if saved.observation is None:
            return ()
        writer = Observation.read(self._store.folder(saved.observation))
        return tuple(name for name in FORMATS[cell.format].CHECKS if writer.section(name) is not None)

    def record(self, cell: CellId, saved: Outcome, loaded: Outcome | None) -> CellRecord:
        """The record of a cell, with its marks; keys, remedies and cached are the caller's."""
        judgement = self.judge(cell, saved, loaded)
        verdict = judgement.verdict
        known = any(entry.matches(cell, verdict.status) for entry in self._known_failures)
        covered = any(entry.covers(cell) for entry in self._known_failures)
        return CellRecord(
            run=self._run,
            cell=str(cell),
            scenario=cell.scenario,
            format=cell.format,
            writer=cell.writer,
            reader=cell.reader,
            status=verdict.status,
            known=known,
            fixed=verdict.status is Status.PASS and covered,
            flaky=loaded is not None and loaded.flaky,
            failed_checks=verdict.failed_checks,
            checks=verdict.checks,
            save=_side(saved),
            load=_side(loaded) if loaded is not None else {},
            error=verdict.error,
            attribution=judgement.attribution,
            artifact=_artifact(saved),
            seconds=round((loaded or saved).total_seconds, 3),
        )


def _side(outcome: Outcome) -> dict[str, Any]:
    """The record's `save` or `load`: status, warnings with their fingerprints, seconds."""
    return {
        "status": outcome.status,
        "warnings": with_fingerprints(outcome.warnings),
        "seconds": round(outcome.total_seconds, 3),
        "phases": {phase: round(seconds, 4) for phase, seconds in outcome.seconds.items()},
    }


def _artifact(saved: Outcome) -> dict[str, Any] | None:
    return dict(saved.artifact) if saved.artifact is not None else None
