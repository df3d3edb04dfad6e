"""Cells that drift, with the findings that the checks make of what a loader lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from analysis_runs import drift
from observation_builder import Draft, loaded, trained
from tfmatrix.checks.comparison import compare
from tfmatrix.checks.contract import holds
from tfmatrix.core.records import CellRecord


def drifted(
    *changes: Callable[[Draft], None],
    ours: Draft | None = None,
    only: str = "",
    cell: str = "s/h5/a/b",
    **fields: Any,
) -> CellRecord:
    """The cell of a reader that changed this; `only` leaves the other checks' failures out."""
    theirs = loaded()
    for change in changes:
        change(theirs)
    found = compare((ours or trained()).build(), theirs.build())
    return drift(cell, {name: check for name, check in found.items() if _counts(name, check, only)}, **fields)


def _counts(name: str, check: Mapping[str, Any], only: str) -> bool:
    return not holds(check) and name in (only or name)


def no_optimizer(draft: Draft) -> None:
    draft.optimizer, draft.notes["optimizer"] = None, "the model is not compiled"


def reset_optimizer(draft: Draft) -> None:
    draft.optimizer["iterations"] = 0
    reset_slots(draft)


def reset_slots(draft: Draft) -> None:
    for slot in draft.optimizer["slots"]:
        slot["array"] = np.zeros_like(slot["array"])


def lose_a_slot(draft: Draft) -> None:
    draft.optimizer["slots"].pop()


def one_iteration_more(draft: Draft) -> None:
    draft.optimizer["iterations"] += 1


def another_optimizer(draft: Draft) -> None:
    draft.optimizer["class"] = "SGD"


def scale_changed(draft: Draft) -> None:
    draft.optimizer["state"] = {"loss_scale": 1.0}


def not_compiled(draft: Draft) -> None:
    draft.compile = None


def no_loss(draft: Draft) -> None:
    draft.compile["loss"] = None


def other_metric_and_rate(draft: Draft) -> None:
    draft.compile["metrics"][0] = "mse"
    draft.compile["hyperparameters"]["learning_rate"] = 0.5


def other_activations(draft: Draft) -> None:
    for name in ("dense", "dense_1"):
        draft.layer(name)["config"]["activation"] = "elu"


def other_layers(draft: Draft) -> None:
    draft.config["layers"] = [layer for layer in draft.config["layers"] if layer["path"] != "dropout"][::-1]
    draft.config["trainable"][""] = False


def reset_weight(draft: Draft) -> None:
    draft.weight("dense_1/bias").values = np.zeros(8, "float32")


def other_weight(draft: Draft) -> None:
    draft.weight("dense_1/kernel").values = draft.weight("dense_1/kernel").values + np.float32(1)


def lose_a_weight(draft: Draft) -> None:
    draft.weights = [weight for weight in draft.weights if weight.path != "dense_2/kernel"]


def other_shape(draft: Draft) -> None:
    draft.weight("dense_1/bias").values = np.zeros((8, 1), "float32")


def other_output(draft: Draft) -> None:
    draft.outputs[""][0, 0] = 0.9


def nan_output(draft: Draft) -> None:
    draft.outputs[""][0, 0] = np.nan


def second_output(draft: Draft) -> None:
    draft.outputs["head"] = draft.outputs[""]


def wide_output(draft: Draft) -> None:
    draft.outputs[""] = np.zeros((2, 4), "float32")


def restart(draft: Draft) -> None:
    draft.resume["losses"] = [0.5, 0.45, 0.4121]


def go_elsewhere(draft: Draft) -> None:
    draft.resume["losses"] = [9.0, 9.0, 9.0]


def cannot_train(draft: Draft) -> None:
    draft.resume, draft.notes["resume"] = None, "no optimizer"


def no_signature(draft: Draft) -> None:
    draft.signatures = {}


def new_signature(draft: Draft) -> None:
    draft.signatures["more"] = draft.signatures["serving_default"]


def signature_of_float64(draft: Draft) -> None:
    draft.signatures["serving_default"]["inputs"]["x"]["dtype"] = "float64"


def signature_raises(draft: Draft) -> None:
    draft.signatures["serving_default"] |= {"results": None, "error": {"type": "ValueError", "message": "is missing"}}


def signature_elsewhere(draft: Draft) -> None:
    draft.signatures["serving_default"]["results"]["y"][0, 0] = 7


def signature_without_output(draft: Draft) -> None:
    signature = draft.signatures["serving_default"]
    signature["outputs"], signature["results"] = {}, {}
