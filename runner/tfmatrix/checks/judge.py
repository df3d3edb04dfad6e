"""From what a save and a load came to, to the record of a cell: checks, tolerances, marks."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from tfmatrix.checks.attribution import attribute
from tfmatrix.checks.calibration import measure_noise, with_noise
from tfmatrix.checks.comparison import compare
from tfmatrix.checks.contract import CheckRecord, Result, holds
from tfmatrix.checks.fingerprint import with_fingerprints
from tfmatrix.checks.observation import Observation
from tfmatrix.checks.registry import checks, checks_code_digest, promised_by
from tfmatrix.checks.retraining import attribute_training
from tfmatrix.checks.verdict import Verdict, judge
from tfmatrix.core.ids import CellId
from tfmatrix.core.outcome import Outcome
from tfmatrix.core.records import CellRecord, Finding
from tfmatrix.core.status import Status
from tfmatrix.store.content import Store
from tfmatrix.store.keys import digest_of
from tfmatrix.worker.declared import Format
from tfmatrix.worker.retraining import is_trained


class Tolerances(Protocol):
    """What matrix.yaml says of tolerances."""

    def tolerance_for(self, scenario: str, format_id: str, check: str, /) -> tuple[float | None, float | None]:
        """Absolute and relative tolerance of a check of a cell; None where it is left to calibration."""


class Listed(Protocol):
    """An entry of known_failures.yaml."""

    def matches(self, cell: CellId, status: Status, failed_checks: Collection[str] = (), /) -> bool:
        """Whether it lists this cell with this status, and these checks that failed."""

    def covers(self, cell: CellId, /) -> bool:
        """Whether it speaks of this cell."""


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
        tolerances: Tolerances,
        known_failures: Sequence[Listed],
        keras: Mapping[str, str],
        formats: Mapping[str, Format],
        files: Collection[str] = (),
        promised: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`keras` maps environments to the version of their Keras; `known_failures` are those that still count.

        `files` are the scenarios that are model files. The cell of their writer itself is judged before those of other
        readers: it loads the same bytes in the same environment, and what differs there says nothing about a reader.
        `promised` has the checks that a scenario promises of formats whose calls are its own functions.
        """
        self._files = frozenset(files)
        self._unsteady: dict[tuple[str, str, str], Mapping[str, str]] = {}
        self._store = store
        self._run = run
        self._tolerances = tolerances
        self._known_failures = known_failures
        self._keras = keras
        self._formats = formats
        self._promised = dict(promised or {})
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
            measure_noise([Observation.read(self._store.fetched(digest)) for digest in different])
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
        if loaded is None or loaded.is_planted or loaded.observation is None or saved.observation is None:
            return Judgement(verdict=judge(saved, loaded, None), attribution=None)
        question = {
            "checks": checks_code_digest(),
            "writer": saved.observation,
            "reader": loaded.observation,
            "applicable": promised_by(self._checks(cell, self._formats[loader or cell.format])),
            "given": {check: self._given(cell, check) for check in checks()},
            "noise": self._noise.get((cell.scenario, cell.writer), {}),
            "same_keras": self._keras.get(cell.writer) == self._keras.get(reader or cell.reader),
        }
        key = digest_of(["comparison", question])
        # The same comparison comes again with every run over the same store.
        compared = self._store.read_outcome(key)
        if compared is None or not isinstance(compared.get("checks"), dict) or "attribution" not in compared:
            try:
                compared = self._compare(cell, question)
            except Exception as error:  # noqa: BLE001  (what a model makes a check do must cost its own cell alone)
                return _not_compared(error)
            self._store.write_outcome(key, compared)
        verdict = judge(saved, loaded, self._steady(cell, loaded, compared["checks"], reader or cell.reader))
        drifted = verdict.status is Status.DRIFT
        return Judgement(verdict=verdict, attribution=compared["attribution"] if drifted else None)

    def _checks(self, cell: CellId, fmt: Format) -> Sequence[str]:
        """What a format brings back: all that it can, or what the scenario promises where the calls are its own."""
        if fmt.functions and cell.scenario in self._promised:
            return ("load", "warnings", *self._promised[cell.scenario])
        return fmt.checks

    def _steady(
        self, cell: CellId, loaded: Outcome, found: Mapping[str, Any], reader: str
    ) -> Mapping[str, CheckRecord]:
        """The checks; of a file without those that differ in the writer itself, from load to load."""
        if cell.scenario not in self._files:
            return found
        key = (cell.scenario, cell.format, cell.writer)
        if reader == cell.writer and loaded.status == "ok":
            self._unsteady[key] = {name: _losses(name, check) for name, check in found.items() if not holds(check)}
        unsteady = self._unsteady.get(key, {})
        return {
            name: checks()[name].record(
                Result(findings=[Finding(code="unsteady", figures={"writer": cell.writer, "said": unsteady[name]})])
            )
            if name in unsteady
            else check
            for name, check in found.items()
        }

    def _given(self, cell: CellId, check: str) -> tuple[float | None, float | None]:
        return self._tolerances.tolerance_for(cell.scenario, cell.format, check)

    def _compare(self, cell: CellId, question: Mapping[str, Any]) -> dict[str, Any]:
        """The checks on two observations, and where a difference comes from; all that `question` asks."""
        writer = Observation.read(self._store.fetched(question["writer"]))
        reader = Observation.read(self._store.fetched(question["reader"]))
        tolerance_for = with_noise(question["noise"], lambda check: self._given(cell, check))
        found = compare(
            writer,
            reader,
            applicable=question["applicable"],
            tolerance_for=tolerance_for,
            same_keras=question["same_keras"],
        )
        failed = [name for name, check in found.items() if not holds(check)]
        if is_trained(question["applicable"]):
            return {"checks": found, "attribution": attribute_training(found) if failed else None}
        tolerances = {"tolerance": tolerance_for("outputs"), "training": tolerance_for("resume")}
        attribution = attribute(writer, reader, failed_checks=failed, **tolerances) if failed else None
        return {"checks": found, "attribution": attribution}

    def promised(self, cell: CellId, saved: Outcome) -> tuple[str, ...]:
        """The checks that a load of the cell would have to hold: the format's, where the writer has something there."""
        if saved.observation is None:
            return ()
        writer = Observation.read(self._store.fetched(saved.observation))
        names = promised_by(self._formats[cell.format].checks)
        return tuple(name for name in names if writer.section(checks()[name].section or "") is not None)

    def is_mixed(self, saved: Outcome) -> bool:
        """Whether a layer of the writer's model computes in mixed precision."""
        if saved.observation is None:
            return False
        config = Observation.read(self._store.fetched(saved.observation)).section("config") or {}
        return any(str(each).startswith("mixed_") for each in (config.get("dtype_policies") or {}).values())

    def record(
        self, cell: CellId, saved: Outcome, loaded: Outcome | None, judgement: Judgement | None = None
    ) -> CellRecord:
        """The record of a cell, with its marks; keys, remedies and cached are the caller's.

        `judgement` is what `judge` returned, where the caller has it already.
        """
        judgement = judgement or self.judge(cell, saved, loaded)
        verdict = judgement.verdict
        return CellRecord(
            run=self._run,
            cell=str(cell),
            scenario=cell.scenario,
            format=cell.format,
            writer=cell.writer,
            reader=cell.reader,
            status=verdict.status,
            known=self.is_known(cell, verdict.status, verdict.failed_checks),
            fixed=self._is_fixed(cell, verdict.status),
            flaky=loaded is not None and loaded.flaky,
            failed_checks=verdict.failed_checks,
            checks=verdict.checks,
            save={**_side(saved), "observation": saved.observation},
            load=_side(loaded) if loaded is not None else {},
            error=verdict.error,
            attribution=judgement.attribution,
            artifact=_artifact(saved),
            seconds=round((loaded or saved).total_seconds, 3),
        )

    def inferred_record(self, cell: CellId, source: CellRecord, by: str) -> CellRecord:
        """The record of a cell that was not measured: what it comes to, by that of another, and no figures."""
        return CellRecord(
            run=self._run,
            cell=str(cell),
            scenario=cell.scenario,
            format=cell.format,
            writer=cell.writer,
            reader=cell.reader,
            status=source.status,
            known=self.is_known(cell, source.status, source.failed_checks),
            fixed=self._is_fixed(cell, source.status),
            failed_checks=source.failed_checks,
            inferred={"from": source.cell, "by": by},
        )

    def marked(self, record: CellRecord) -> CellRecord:
        """A record that another run made, as one of this run."""
        return replace(
            record,
            run=self._run,
            known=self.is_known(record.id, record.status, record.failed_checks),
            fixed=self._is_fixed(record.id, record.status),
        )

    def is_known(self, cell: CellId, status: Status, failed_checks: Collection[str] = ()) -> bool:
        """Whether the cell is listed with this status, and these checks that failed."""
        return any(entry.matches(cell, status, failed_checks) for entry in self._known_failures)

    def _is_fixed(self, cell: CellId, status: Status) -> bool:
        return status is Status.PASS and any(entry.covers(cell) for entry in self._known_failures)


def _losses(name: str, record: Mapping[str, Any]) -> str:
    """What a check found, in general words."""
    findings = [Finding.from_json(each) for each in record["findings"]]
    return "; ".join(checks()[name].losses(findings, record)) or f"the check {name!r} does not hold"


def _not_compared(error: Exception) -> Judgement:
    """Of a cell at which a check failed itself: it says nothing about the model, and is loud."""
    said = {
        "phase": "compare",
        "type": type(error).__name__,
        "message": f"the two observations could not be compared: {error}",
        "traceback": "".join(traceback.format_exception(error)),
    }
    return Judgement(verdict=Verdict(status=Status.INFRA_ERROR, error=said), attribution=None)


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
