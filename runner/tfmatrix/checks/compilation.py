"""Check `compile`: loss, metrics, optimizer class and hyperparameters."""

from __future__ import annotations

from tfmatrix.checks.observation import Observation
from tfmatrix.checks.presentation import Change, compare_configs
from tfmatrix.checks.result import Check, failed, judged, shortened


def check_compile(writer: Observation, reader: Observation, *, same_keras: bool = True) -> Check:
    """Figures: `differences` and `aside`, path lists such as `loss` and `hyperparameters.learning_rate`.

    Numbers are compared as float32, in which optimizers keep them.
    """
    ours, theirs = writer.section("compile"), reader.section("compile")
    if theirs is None:
        note = reader.note("compile")
        return failed(
            f"the loaded model is not compiled{': ' + note if note else ''}", differences=["compile"], aside=[]
        )
    found = compare_configs(ours, theirs, same_keras=same_keras)
    losses = [_sentence(change) for change in found.differences]
    return judged(
        losses,
        [f"set aside: {change}" for change in found.aside],
        differences=shortened([change.path for change in found.differences]),
        aside=shortened([change.path for change in found.aside]),
    )


def _sentence(change: Change) -> str:
    if change.path == "loss" and change.after in (None, ...):
        return f"the loss {change.before!r} is lost"
    return str(change)
