"""What a run is asked to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfmatrix.core.environment import Environment
from tfmatrix.engine.measured import RESUME_STEPS, measurement_settings
from tfmatrix.engine.phase import Phase
from tfmatrix.engine.plan import Plan, Save
from tfmatrix.engine.shards import Shard
from tfmatrix.engine.subjects import MeasuredSubject
from tfmatrix.project.config import Defaults, KnownFailure
from tfmatrix.project.formats import own_formats
from tfmatrix.store.known import NOTHING, Known
from tfmatrix.worker.declared import Format

AUDIT = (0.02, 600)
"""Which share of the inferred cells is measured nevertheless, and how many at least: where none of these is wrong, the
error is below 0.5 % (`upper_bound`)."""


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """Everything a run needs to know.

    `results` is the folder that holds `runs/`, `store` the one with everything measured. `formats` are those of the
    project. `known_failures` are those that still count. `legacy_readers` maps a reader to the environment with its
    TensorFlow and tf-keras, which remedies may use. `isolated` gives every job a fresh worker: slow, and shows that
    sharing one changes nothing. For a `shard`, `plan` is its part, and `whole` what all shards make together.
    `subjects` has the scenarios of the plan by name, and `scenario_folder` their files. `audit` is the share of
    inferred cells that is measured nevertheless, and how many at least; None: none. `known` is what others measured.
    `migrates`: every failing cell tries to be made anew (three jobs), and not only the first of a cause. Nothing is
    tried for what the `baseline` does not read of its own files.
    `has_writers`: the environments of the writers are here, so that a remedy may need both.
    """

    run_id: str
    plan: Plan
    subjects: Mapping[str, MeasuredSubject]
    scenario_folder: Path
    results: Path
    store: Path
    defaults: Defaults
    formats: Mapping[str, Format] = field(default_factory=own_formats)
    known_failures: Sequence[KnownFailure] = ()
    legacy_readers: Mapping[str, Environment] = field(default_factory=dict)
    set_name: str | None = None
    executor_reason: str = ""
    phase: Phase = Phase.ALL
    slots: int = 2
    isolated: bool = False
    remedies: bool = True
    migrates: bool = False
    baseline: str | None = None
    has_writers: bool = True
    resume_steps: int = RESUME_STEPS
    shard: Shard | None = None
    whole: Plan | None = None
    audit: tuple[float, int] | None = AUDIT
    known: Known = NOTHING

    @property
    def settings(self) -> dict[str, Any]:
        """What, beside code and packages, decides a measurement; part of every key of the store."""
        return measurement_settings(self.defaults, self.resume_steps)

    def save_key(self, save: Save, environment: str) -> str:
        """The key of a save in the store; `environment` is that of its writer."""
        return self.subjects[save.scenario].save_key(
            self.formats[save.saver], settings=self.settings, environment=environment
        )
