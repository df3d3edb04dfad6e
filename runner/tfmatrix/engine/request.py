"""What a run is asked to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfmatrix.core.environment import Environment
from tfmatrix.engine.phase import Phase
from tfmatrix.engine.plan import Plan
from tfmatrix.engine.shards import Shard
from tfmatrix.project.config import Defaults, KnownFailure

RESUME_STEPS = 3
"""Training steps after the save (writer) or the load (reader) whose losses are compared."""


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """A model file that stands where a scenario's save would be: what `writer` makes of it is the reference.

    `digest`, `name`, `kind` and `bytes` are those of the file in the store, `loader` is the format whose loader makes
    the reference. `custom` and `builder` are files with code, `function` builds the model where there is a builder,
    `inputs` is an .npz file; they lie in the folder of scenarios. `told` goes into run.json as it is.
    """

    writer: str
    digest: str
    name: str
    kind: str
    bytes: int
    loader: str
    custom: Path | None = None
    builder: Path | None = None
    function: str = ""
    inputs: Path | None = None
    has_definitions: bool = False
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def artifact(self) -> dict[str, Any]:
        """As a save that wrote the file would tell it."""
        return {"name": self.name, "kind": self.kind, "bytes": self.bytes, "digest": self.digest}

    @property
    def code(self) -> dict[str, Any]:
        """What a job must know of the code that belongs to the file."""
        return {"custom": self.custom, "builder": self.builder, "function": self.function}


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """Everything a run needs to know.

    `results` is the folder that holds `runs/`, `store` the one with everything measured. `known_failures` are those
    that still count. `legacy_readers` maps a reader to the environment with its TensorFlow and tf-keras, which remedies
    may use. `isolated` gives every job a fresh worker: slow, and shows that sharing one changes nothing. For a `shard`,
    `plan` is its part, and `whole` what all shards make together. `adopted` maps scenarios that are only a model file
    to it.
    """

    run_id: str
    plan: Plan
    scenario_folder: Path
    results: Path
    store: Path
    defaults: Defaults
    known_failures: Sequence[KnownFailure] = ()
    legacy_readers: Mapping[str, Environment] = field(default_factory=dict)
    set_name: str | None = None
    executor_reason: str = ""
    phase: Phase = Phase.ALL
    slots: int = 2
    isolated: bool = False
    remedies: bool = True
    resume_steps: int = RESUME_STEPS
    shard: Shard | None = None
    whole: Plan | None = None
    adopted: Mapping[str, Adopted] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """What, beside code and packages, decides a measurement; part of every key of the store."""
        return {
            "seed": self.defaults.seed,
            "steps": self.resume_steps,
            "timeout": self.defaults.timeout,
            "memory": self.defaults.memory,
        }
