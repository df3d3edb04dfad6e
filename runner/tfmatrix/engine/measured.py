"""What was measured before: the settings and keys by which the store finds it. Imports nothing that measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfmatrix.core.outcome import Outcome
from tfmatrix.project.config import Defaults
from tfmatrix.store.content import Store
from tfmatrix.store.keys import load_key
from tfmatrix.worker.declared import Format

RESUME_STEPS = 3
"""Training steps after the save (writer) or the load (reader) whose losses are compared."""


def measurement_settings(defaults: Defaults, resume_steps: int = RESUME_STEPS) -> dict[str, Any]:
    """What, beside code and packages, decides a measurement; part of every key of the store."""
    return {
        "seed": defaults.seed,
        "steps": resume_steps,
        "timeout": defaults.timeout,
        "memory": defaults.memory,
    }


def key_of_load(
    saved: Outcome,
    loader: Format,
    *,
    scenario: str,
    settings: Mapping[str, Any],
    environment: str,
    remedies: Sequence[str] = (),
    is_file: bool = False,
) -> str:
    """The key of a load of what was saved; see `tfmatrix.store.keys.load_key`."""
    assert saved.artifact is not None
    assert saved.observation is not None
    return load_key(
        artifact=saved.artifact["digest"],
        reference=saved.observation,
        scenario=scenario,
        loader=loader,
        settings=settings,
        environment=environment,
        remedies=remedies,
        is_file=is_file,
    )


def stored_outcome(store: Store, key: str) -> Outcome | None:
    """The outcome under a key, whose folders are still there, as they were."""
    stored = store.read_sealed(key)
    if stored is None:
        return None
    try:
        outcome = Outcome.from_json(stored.content)
    except ValueError:
        store.drop_outcome(key, "no outcome that this version takes")
        return None
    digests = [outcome.observation, outcome.artifact["digest"] if outcome.artifact else None]
    if not all(store.has_folder(digest) for digest in digests if digest):
        return None
    if stored.sealed:
        return outcome
    # An earlier version kept what it was given.
    from tfmatrix.checks.observation_schema import problem_in

    wrong = problem_in(store.folder(outcome.observation)) if outcome.observation else ""
    if wrong or not outcome.is_lasting:
        store.drop_outcome(key, f"an outcome of an earlier version, which is none ({wrong or outcome.reason})")
        return None
    store.write_outcome(key, outcome.to_json())
    return outcome
