from __future__ import annotations

from typing import Any

import pytest
from analysis_runs import drift, record
from tfmatrix.analysis.losses import consequences, losses
from tfmatrix.core.status import Status

# Figures and sentences as tfmatrix.checks writes them.
NO_OPTIMIZER = {
    "iterations_before": 3,
    "iterations_after": None,
    "slots": 8,
    "lost": 8,
    "detail": ["the loaded model has no optimizer: not compiled"],
}
RESET = {
    "iterations_before": 3,
    "iterations_after": 0,
    "slots": 8,
    "lost": 0,
    "reset": 8,
    "changed": 0,
    "detail": ["iterations 3 → 0", "8 of 8 slots reset", "momentum of dense/kernel: all 8 values are 0 now"],
}
SCRATCH = {"detail": ["loss after 3 more steps 0.93, writer 0.71, fresh optimizer 0.93: restarted from scratch"]}


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ({"optimizer": NO_OPTIMIZER}, ["the optimizer is lost"]),
        ({"optimizer": RESET}, ["the optimizer's state is reset"]),
        (
            {"optimizer": RESET | {"iterations_after": 3, "lost": 2}},
            ["the optimizer's slots are lost and reset"],
        ),
        ({"optimizer": RESET | {"iterations_after": 4, "reset": 0}}, ["the optimizer's iterations differ"]),
        (
            {"optimizer": RESET | {"iterations_after": 3, "reset": 0, "detail": ["loss_scale 32768.0 → 1.0"]}},
            ["the optimizer's state beside the slots differs"],
        ),
        (
            {"optimizer": RESET | {"iterations_after": 3, "reset": 0, "detail": ["the optimizer is SGD, was Adam"]}},
            ["another optimizer"],
        ),
        ({"compile": {"differences": ["compile"], "detail": ["the loaded model is not compiled"]}}, ["not compiled"]),
        ({"compile": {"differences": ["loss"]}}, ["compile differs: `loss`"]),
        (
            {"compile": {"differences": ["metrics[0]", "hyperparameters.learning_rate"]}},
            ["compile differs: `hyperparameters.learning_rate`, `metrics`"],
        ),
        ({"config": {"differences": ["dense.activation", "dense_1.activation"]}}, ["config differs: `activation`"]),
        (
            {"config": {"differences": ["my_layer", "order of layers", "trainable"]}},
            ["config differs: `trainable`, a layer, order of layers"],
        ),
        (
            {"weights": {"missing": 1, "changed": 2, "detail": ["a: 3 of 4 values differ, by up to 0.1 (9 ULP)"]}},
            ["weights are missing", "weights have other values"],
        ),
        ({"weights": {"changed": 1, "detail": ["bn/mean: all 4 values are 0 now"]}}, ["weights are reset"]),
        ({"weights": {"extra": 1}}, ["weights that the writer did not have"]),
        (
            {"weights": {"shape_changed": 1, "dtype_changed": 1}},
            ["weights have another shape", "weights have another dtype"],
        ),
        ({"weights": {"trainable_changed": 1}}, ["weights are trainable where they were not, or the other way round"]),
        (
            {"outputs": {"max_abs": 0.1, "detail": ["8 of 8 values of the output are beyond the tolerance"]}},
            ["outputs differ"],
        ),
        ({"outputs": {"nan_mismatches": 2}}, ["outputs are NaN on one side only"]),
        ({"outputs": {"detail": ["output 'head_7' is missing"]}}, ["outputs: an output is missing"]),
        ({"resume": SCRATCH}, ["training restarts from scratch"]),
        (
            {"resume": {"detail": ["loss after 3 more steps 1, writer 2: neither goes on nor restarts"]}},
            ["training goes on differently"],
        ),
        ({"signatures": {"detail": ["signature 'serve' is missing"]}}, ["a signature is missing"]),
        (
            {"signatures": {"detail": ["serve.inputs.x: dtype float32 → int32"]}},
            ["the inputs or outputs of a signature changed"],
        ),
        ({"brand_new": {"detail": ["layer 'x' lost 3 things. More."]}}, ["brand_new: a layer lost <n> things."]),
        ({"brand_new": {}}, ["brand_new failed"]),
    ],
)
def test_what_was_lost_in_words(checks: dict[str, Any], expected: list[str]) -> None:
    assert list(losses(drift("s/h5/a/b", checks))) == expected


def test_what_follows_from_a_loss_is_no_loss_of_its_own() -> None:
    lost = drift("s/h5/a/b", {"optimizer": RESET, "resume": SCRATCH})
    assert losses(lost) == ("the optimizer's state is reset",)
    assert consequences(lost) == ("resume",)
    weights = drift("s/h5/a/b", {"outputs": {"max_abs": 1.0}, "weights": {"missing": 1}, "resume": SCRATCH})
    assert losses(weights) == ("weights are missing",)
    assert consequences(weights) == ("outputs", "resume")


def test_an_object_that_is_no_keras_model_lacks_everything_at_once() -> None:
    checks = {
        name: {"detail": ["the loaded model has none: not a Keras model"]}
        for name in ("config", "compile", "optimizer")
    }
    cell = drift("s/tf-savedmodel/a/b", checks | {"resume": {"detail": ["cannot be trained on: not a Keras model"]}})
    assert losses(cell) == ("what was loaded is no Keras model",)


def test_what_raises_is_never_explained_away() -> None:
    cell = drift(
        "s/h5/a/b",
        {
            "optimizer": RESET,
            "resume": {
                "status": "error",
                "detail": [
                    "step 1 of the training after loading raises ValueError: Unknown variable: <Variable path=d/k>"
                ],
            },
        },
    )
    assert losses(cell)[-1] == "training on raises: `ValueError`: Unknown variable: <Variable>"
    assert consequences(cell) == ()


def test_a_model_that_cannot_be_called_says_why() -> None:
    cell = drift(
        "s/h5/a/b",
        {"outputs": {"status": "error", "detail": ["the loaded model raises TypeError: …"]}},
        error={"phase": "observe", "type": "TypeError", "message": "'str' object is not callable", "traceback": ""},
    )
    assert losses(cell) == ("using the loaded model raises: `TypeError`: 'str' object is not callable",)


@pytest.mark.parametrize(
    ("attribution", "expected"),
    [
        ({"numerics": {"found": True}, "serialization": {"found": False}}, "outputs differ by the reader's kernels"),
        (
            {"numerics": {"found": False}, "serialization": {"found": True}},
            "outputs differ, though what is stored is the same",
        ),
        ({"numerics": None, "serialization": None}, "outputs differ"),
        (None, "outputs differ"),
    ],
)
def test_the_attribution_names_the_kind_of_difference(attribution: Any, expected: str) -> None:
    assert losses(drift("s/h5/a/b", {"outputs": {"max_abs": 0.1}}, attribution=attribution)) == (expected,)


def test_a_drift_without_evidence_has_a_reason_too() -> None:
    assert losses(record("s/h5/a/b", Status.DRIFT)) == ("something is different, but no check says what",)
    assert losses(record("s/h5/a/b", Status.DRIFT, failed_checks=("config",))) == ("config failed",)
