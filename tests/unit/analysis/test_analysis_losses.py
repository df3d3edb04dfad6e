from __future__ import annotations

from collections.abc import Callable
from typing import Any

import drifts
import numpy as np
import pytest
from analysis_runs import drift, record
from drifts import drifted
from observation_builder import Draft, trained
from tfmatrix.analysis.losses import consequences, is_no_keras_model, losses
from tfmatrix.checks.comparison import compare
from tfmatrix.core.status import Status


@pytest.mark.parametrize(
    ("only", "changes", "expected"),
    [
        ("optimizer", [drifts.no_optimizer], ["the optimizer is lost"]),
        ("optimizer", [drifts.reset_optimizer], ["the optimizer's state is reset"]),
        ("optimizer", [drifts.reset_slots, drifts.lose_a_slot], ["the optimizer's slots are lost and reset"]),
        ("optimizer", [drifts.one_iteration_more], ["the optimizer's iterations differ"]),
        ("optimizer", [drifts.another_optimizer], ["another optimizer"]),
        ("compile", [drifts.not_compiled], ["not compiled"]),
        ("compile", [drifts.no_loss], ["compile differs: `loss`"]),
        (
            "compile",
            [drifts.other_metric_and_rate],
            ["compile differs: `hyperparameters.learning_rate`", "compile differs: `metrics`"],
        ),
        ("config", [drifts.other_activations], ["config differs: `activation` of `Dense`"]),
        (
            "config",
            [drifts.other_layers],
            ["config differs: `trainable`", "config differs: a layer", "config differs: order of layers"],
        ),
        ("weights", [drifts.lose_a_weight, drifts.other_weight], ["weights are missing", "weights have other values"]),
        ("weights", [drifts.reset_weight], ["weights are reset"]),
        ("weights", [drifts.reset_weight, drifts.other_weight], ["weights have other values"]),
        ("weights", [drifts.other_shape], ["weights have another shape"]),
        ("outputs", [drifts.other_output], ["outputs differ"]),
        ("outputs", [drifts.nan_output], ["outputs are NaN on one side only"]),
        ("outputs", [drifts.second_output], ["outputs: an output is new"]),
        ("outputs", [drifts.wide_output], ["outputs: an output has another shape"]),
        ("resume", [drifts.restart], ["training restarts from scratch"]),
        ("resume", [drifts.go_elsewhere], ["training goes on differently"]),
        ("resume", [drifts.cannot_train], ["the loaded model cannot be trained on"]),
        ("signatures", [drifts.no_signature], ["a signature is missing"]),
        ("signatures", [drifts.new_signature], ["a signature is new"]),
        ("signatures", [drifts.signature_of_float64], ["the inputs or outputs of a signature changed"]),
        ("signatures", [drifts.signature_raises], ["a signature raises"]),
        ("signatures", [drifts.signature_elsewhere], ["results of a signature differ"]),
        ("signatures", [drifts.signature_without_output], ["signatures: an output is missing"]),
    ],
)
def test_what_was_lost_in_words(only: str, changes: list[Callable[[Draft], None]], expected: list[str]) -> None:
    assert list(losses(drifted(*changes, only=only))) == expected


def test_state_beside_the_slots() -> None:
    ours = trained()
    ours.optimizer["state"] = {"loss_scale": 32768.0}
    assert losses(drifted(drifts.scale_changed, ours=ours)) == ("the optimizer's state beside the slots differs",)


@pytest.mark.parametrize("count", [1, 20, 21, 300])
def test_many_results_that_differ_are_one_loss_and_invent_none(count: int) -> None:
    names = [f"out_{number}" for number in range(count)]
    ours, theirs = Draft(kind="module"), Draft(kind="module")
    for draft, value in ((ours, 0.0), (theirs, 1.0)):
        draft.signatures = {
            "serve": {
                "inputs": {},
                "outputs": {name: {"dtype": "float32", "shape": [2]} for name in names},
                "results": {name: np.full(2, value, "float32") for name in names},
            }
        }
    found = compare(ours.build(), theirs.build())["signatures"]
    assert [finding["figures"]["name"] for finding in found["findings"]] == names
    assert losses(drift("s/export/a/b", {"signatures": found})) == ("results of a signature differ",)


def test_a_note_beside_a_loss_is_none() -> None:
    def moved(draft: Draft) -> None:
        draft.weights.insert(0, draft.weights.pop())
        drifts.other_weight(draft)

    cell = drifted(moved, only="weights")
    assert {finding.code for finding in cell.findings("weights")} == {"changed", "moved"}
    assert losses(cell) == ("weights have other values",)


def test_what_is_set_aside_is_not_named_among_what_differs() -> None:
    def seeded(draft: Draft) -> None:
        draft.layer("dropout")["config"]["seed"] = 7
        drifts.other_activations(draft)

    cell = drifted(seeded)
    assert "aside-changed" in {finding.code for finding in cell.findings("config")}
    assert losses(cell) == ("config differs: `activation` of `Dense`",)


def test_what_follows_from_a_loss_is_no_loss_of_its_own() -> None:
    lost = drifted(drifts.reset_optimizer, drifts.restart)
    assert losses(lost) == ("the optimizer's state is reset",)
    assert consequences(lost) == ("resume",)
    weights = drifted(drifts.lose_a_weight, drifts.other_output, drifts.restart)
    assert losses(weights)[0] == "weights are missing"
    assert {"outputs", "resume"} <= set(consequences(weights))


def test_an_object_that_is_no_keras_model_lacks_everything_at_once() -> None:
    def no_keras_model(draft: Draft) -> None:
        draft.kind = "module"
        draft.config = draft.compile = draft.optimizer = draft.resume = None
        draft.notes |= dict.fromkeys(("config", "compile", "optimizer", "resume"), "nothing that the loader reworded")

    cell = drifted(no_keras_model)
    assert cell.failed_checks == ("config", "compile", "optimizer", "resume")
    assert losses(cell) == ("what was loaded is no Keras model",)
    assert is_no_keras_model(cell)
    assert not is_no_keras_model(drifted(drifts.no_optimizer))


def test_what_raises_is_never_explained_away() -> None:
    def raises(draft: Draft) -> None:
        message = "Unknown variable: <Variable path=d/k>"
        draft.resume = {"losses": [], "weights_after": None, "error": {"type": "ValueError", "message": message}}

    cell = drifted(drifts.reset_optimizer, raises)
    assert losses(cell)[-1] == "training on raises: `ValueError`: Unknown variable: <Variable>"
    assert consequences(cell) == ()


def test_a_check_that_raises_while_it_observes_says_what() -> None:
    def raises(draft: Draft) -> None:
        draft.config = {"error": {"type": "NotImplementedError", "message": "get_config"}}

    assert losses(drifted(raises)) == ("the check config raises: `NotImplementedError`: get_config",)


def test_a_model_that_cannot_be_called_says_why() -> None:
    def raises(draft: Draft) -> None:
        draft.outputs = {"error": {"type": "TypeError", "message": "'str' object is not callable"}}

    error = {"phase": "observe", "type": "TypeError", "message": "'str' object is not callable", "traceback": ""}
    assert losses(drifted(raises, error=error)) == (
        "using the loaded model raises: `TypeError`: 'str' object is not callable",
    )


@pytest.mark.parametrize(
    ("attribution", "expected"),
    [
        (
            {"numerics": {"found": True}, "serialization": {"found": False}},
            "outputs differ: the same code computes otherwise in the reader",
        ),
        (
            {"numerics": {"found": False}, "serialization": {"found": True}},
            "outputs differ, though what is stored is the same",
        ),
        ({"numerics": None, "serialization": None}, "outputs differ"),
        (None, "outputs differ"),
    ],
)
def test_the_attribution_names_the_kind_of_difference(attribution: Any, expected: str) -> None:
    assert losses(drifted(drifts.other_output, attribution=attribution)) == (expected,)


def test_a_check_that_is_not_installed_here_goes_by_its_codes() -> None:
    found = {"findings": [{"code": "layer-lost", "subject": "x", "figures": {}}], "detail": ["reworded at will"]}
    assert losses(drift("s/h5/a/b", {"brand_new": found})) == ("brand_new: layer-lost",)


def test_a_drift_without_evidence_has_a_reason_too() -> None:
    assert losses(record("s/h5/a/b", Status.DRIFT)) == ("something is different, but no check says what",)
    assert losses(record("s/h5/a/b", Status.DRIFT, failed_checks=("config",))) == ("config failed",)


def test_a_signature_that_its_writer_cannot_call_is_one_cause() -> None:
    def wrong(draft: Draft) -> None:
        drifts.signature_raises(draft)
        draft.outputs = {"error": {"type": "TypeError", "message": "Binding inputs failed"}}

    ours = trained()
    drifts.signature_raises(ours)
    record = drifted(wrong, ours=ours)
    assert record.failed_checks == ("outputs", "signatures")
    assert losses(record) == ("the writer's own signature cannot be called with the model's inputs",)


def test_a_moving_statistic_is_named_with_its_layer() -> None:
    def elsewhere(draft: Draft) -> None:
        draft.resume["weights_after"][5] = draft.resume["weights_after"][5] + 1

    assert losses(drifted(elsewhere)) == (
        "`moving_variance` of `BatchNormalization` ends elsewhere after more training",
    )
