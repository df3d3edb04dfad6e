"""What is measured: a scenario's model, or a model that came as a file. Both go the same way through a run.

A subject says what the jobs of a worker are, and what a save that failed means for its cells; nothing else in the
engine knows which kind it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from tfmatrix.checks.observation import Observation
from tfmatrix.core.ids import CellId
from tfmatrix.core.outcome import INFRA, Outcome
from tfmatrix.core.scenario import Scenario, Subject
from tfmatrix.store.keys import adoption_key, save_key
from tfmatrix.worker.declared import Format
from tfmatrix.worker.retraining import TRAIN, is_trained


class MeasuredSubject(Protocol):
    """A subject with what a run has to know of its kind."""

    @property
    def about(self) -> Subject:
        """Its name, digest and formats."""

    @property
    def has_code(self) -> bool:
        """Whether the code that builds the model is there: a reader may build it anew."""

    @property
    def is_file(self) -> bool:
        """Whether the model came as a file."""

    def save_job(self, saver: Format) -> dict[str, Any]:
        """The job that gives artifact and observation; paths are the host's."""

    def save_key(self, saver: Format, *, settings: Mapping[str, Any], environment: str) -> str:
        """The key of what comes of that job in an environment, which has a key of its own."""

    def load_code(self) -> dict[str, Any]:
        """What a job that loads the artifact says of the code that belongs to it."""

    def saved(self, outcome: Outcome) -> Outcome:
        """What a save came to, with its artifact."""

    def unsaved(self, cell: CellId, saved: Outcome) -> tuple[Outcome, Outcome | None]:
        """Save and load of a cell whose save (`saved`) is not ok, as its record tells them."""

    def incomparable(self, cell: CellId, chosen: Format, observation: Path) -> str | None:
        """Why the writer's observation is no reference for a cell of this format; None where it is one."""

    def account(self, saved: Outcome, observation: Path | None) -> Mapping[str, Any] | None:
        """What run.json says of the measurement under `files`; None where the scenario's own file says all.

        `observation` is the folder of the writer's, where the save gave one.
        """


@dataclass(frozen=True, kw_only=True)
class ScenarioFile:
    """A scenario: its writers build, train and save the model.

    `sources` is a folder of the store with the project's own packages that it imports.
    """

    about: Scenario
    sources: Path | None = None

    has_code = True
    is_file = False

    def save_job(self, saver: Format) -> dict[str, Any]:
        """Builds, trains, saves, observes."""
        kind = TRAIN if is_trained(saver.checks) else "save"
        return {"kind": kind, "format": saver.to_job(), **self.load_code()}

    def save_key(self, saver: Format, *, settings: Mapping[str, Any], environment: str) -> str:
        """By the scenario's file and the format's call."""
        return save_key(scenario=self.about.digest, saver=saver, settings=settings, environment=environment)

    def load_code(self) -> dict[str, Any]:
        """The scenario's file, and what it imports of the project."""
        sources = {} if self.sources is None else {"sources": self.sources}
        return {"scenario": Path(self.about.path), **sources}

    def saved(self, outcome: Outcome) -> Outcome:
        """As it is."""
        return outcome

    def unsaved(self, cell: CellId, saved: Outcome) -> tuple[Outcome, Outcome | None]:  # noqa: ARG002
        """There is nothing to load."""
        return saved, None

    def incomparable(self, cell: CellId, chosen: Format, observation: Path) -> None:  # noqa: ARG002
        """Never: it is the model."""
        return

    def account(self, saved: Outcome, observation: Path | None) -> None:  # noqa: ARG002
        """Nothing."""
        return


@dataclass(frozen=True, kw_only=True)
class GivenFile:
    """A model file that stands where a scenario's save would be: what its writer makes of it is the reference.

    `path` is the file's copy in the store, `artifact` what a save that wrote it would say of it (name, kind, bytes,
    digest), `loader` the format whose loader makes the reference. `custom` and `builder` are files with code,
    `function` builds the model where there is a builder, `inputs` is an .npz file. `facts` go into run.json as they
    are.
    """

    about: Subject
    path: Path
    artifact: Mapping[str, Any]
    loader: Format
    custom: Path | None = None
    builder: Path | None = None
    function: str = ""
    inputs: Path | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    is_file = True

    @property
    def has_code(self) -> bool:
        """Where a builder came with the file."""
        return self.builder is not None

    def save_key(self, saver: Format, *, settings: Mapping[str, Any], environment: str) -> str:  # noqa: ARG002
        """By the file, and the call that loads it."""
        return adoption_key(scenario=self.about.digest, loader=self.loader, settings=settings, environment=environment)

    def save_job(self, saver: Format) -> dict[str, Any]:  # noqa: ARG002
        """Loads the file and observes it: it is saved already."""
        return {
            "kind": "adopt",
            "format": self.loader.to_job(),
            "artifact": self.path,
            "inputs": self.inputs,
            **self._code,
        }

    def load_code(self) -> dict[str, Any]:
        """The code that came with the file; inputs and data are in the writer's observation."""
        return {"adopted": True, **self._code}

    @property
    def _code(self) -> dict[str, Any]:
        return {"custom": self.custom, "builder": self.builder, "function": self.function}

    def saved(self, outcome: Outcome) -> Outcome:
        """With the file as the artifact."""
        return replace(outcome, artifact=dict(self.artifact)) if outcome.status == "ok" else outcome

    def unsaved(self, cell: CellId, saved: Outcome) -> tuple[Outcome, Outcome | None]:
        """The writer's own cell says that it cannot load the file; for the readers there is nothing to compare with."""
        if saved.status in (INFRA, "skipped"):
            return saved, None
        artifact = Outcome(status="ok", artifact=dict(self.artifact))
        if cell.reader == cell.writer and saved.phase in (None, "load"):
            return artifact, saved
        error = saved.error or {}
        said = f"{error.get('type') or saved.status}: {error.get('message') or saved.reason}"
        reason = f"there is nothing to compare with, because {cell.writer} cannot load the file itself: {said}"
        return artifact, Outcome(status="skipped", reason=reason)

    def incomparable(self, cell: CellId, chosen: Format, observation: Path) -> str | None:
        """Where Keras gives no model in the writer, what a reader's Keras gives cannot be compared."""
        if chosen.loads != "keras":
            return None
        given = Observation.read(observation).document.get("given") or {}
        if not (given.get("way") or {}).get("raw"):
            return None
        return f"there is nothing to compare with: {given.get('note') or cell.writer}"

    def account(self, saved: Outcome, observation: Path | None) -> Mapping[str, Any]:
        """What the file was measured on: inputs and targets may have been made up."""
        account: dict[str, Any] = dict(self.facts)
        if observation is not None:
            document = Observation.read(observation).document
            given = document.get("given") or {}
            account["inputs"] = given.get("described") or []
            account["network"] = given.get("network") or ""
            account["note"] = given.get("note") or ""
            account["absent"] = dict(document.get("notes") or {})
        if saved.status != "ok":
            account["problem"] = {"phase": saved.phase, "reason": saved.reason, "error": saved.error}
        return account
