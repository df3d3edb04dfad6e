"""A project folder: where its files lie, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from runner.config import KnownFailure, MatrixConfig, load_config, load_known_failures
from runner.models import Scenario
from runner.scenario import read_scenarios
from runner.worker.formats import FORMATS


@dataclass(frozen=True, kw_only=True)
class Project:
    """A folder with matrix.yaml. Everything is read on first use; the errors name file and line."""

    root: Path

    @cached_property
    def config(self) -> MatrixConfig:
        """matrix.yaml, checked."""
        return load_config(self.root / "matrix.yaml", scenarios=self.scenarios, formats=FORMATS)

    @cached_property
    def scenarios(self) -> tuple[Scenario, ...]:
        """The scenario files, read without importing them."""
        return read_scenarios(self.scenario_folder, formats=FORMATS)

    @cached_property
    def known_failures(self) -> tuple[KnownFailure, ...]:
        """The incompatibilities that somebody has looked at."""
        return load_known_failures(self.root / "known_failures.yaml")

    @property
    def scenario_folder(self) -> Path:
        """One file per scenario."""
        return self.root / "scenarios"

    @property
    def locks(self) -> Path:
        """One lock per environment; committed."""
        return self.root / "locks"

    @property
    def results(self) -> Path:
        """Runs and the store."""
        return self.root / "results"
