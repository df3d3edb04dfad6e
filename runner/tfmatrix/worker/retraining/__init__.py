"""The same code, built and trained anew: how a job is done that saves nothing but where training starts.

`train` (in the writer) and `retrain` (in a reader, from the writer's weights) observe the same things of the scenario's
model: what its code means, computes, learns and draws. Formats that promise a check of these go this way; what stands
in this folder is part of their keys alone (see tfmatrix/store/keys.py).
"""

from __future__ import annotations

from typing import Any, Collection, Mapping

__all__ = ["RETRAIN", "TRAIN", "is_trained", "retrain", "train"]

TRAIN, RETRAIN = "train", "retrain"
"""Kinds of jobs: in place of a save, and of a load."""

CHECKS = frozenset(("defaults", "forward", "gradients", "updates", "metrics", "learning", "initializers"))
"""What only such a job observes."""


def is_trained(checks: Collection[str]) -> bool:
    """Whether a format that promises these checks is measured by training."""
    return not CHECKS.isdisjoint(checks)


def train(job: Mapping[str, Any], recorder: Any) -> dict[str, Any]:
    """Builds the model, keeps its weights, and observes how it trains. Returns what the result holds beside."""
    from . import jobs

    return jobs.train(job, recorder)


def retrain(job: Mapping[str, Any], recorder: Any) -> dict[str, Any]:
    """The same from the weights of the writer's observation. Returns what the result holds beside."""
    from . import jobs

    return jobs.retrain(job, recorder)
