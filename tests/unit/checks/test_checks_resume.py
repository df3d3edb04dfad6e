from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from observation_builder import Draft, checked, loaded, trained
from tfmatrix.checks.registry import checks
from tfmatrix.checks.tolerance import Tolerance
from tfmatrix.core.records import Finding


def _check(theirs: Draft, ours: Draft | None = None, tolerance: Tolerance | None = None) -> dict:
    return checked("resume", (ours or trained()).build(), theirs.build(), tolerance=tolerance)


def _losses(check: dict) -> list[str]:
    return checks()["resume"].losses([Finding.from_json(each) for each in check["findings"]], check)


def test_going_on_passes_with_all_three_series() -> None:
    check = _check(loaded())
    assert check["status"] == "pass"
    assert check["losses"] == check["writer_losses"] == [0.5, 0.4, 0.3011]
    assert check["fresh_losses"] == [0.5, 0.45, 0.4121]
    assert (check["max_abs"], check["weights_max_abs"]) == (0.0, 0.0)
    assert check["detail"] == []


def test_restart_from_scratch_is_measured() -> None:
    draft = loaded()
    draft.resume |= trained().resume["fresh"]
    check = _check(draft)
    assert check["status"] == "fail"
    assert check["detail"][0] == (
        "loss after 3 more steps 0.4121, writer 0.3011, fresh optimizer 0.4121: restarted from scratch"
    )
    assert check["max_abs"] == pytest.approx(0.111, abs=1e-6)


def test_restart_is_found_where_its_effect_is_within_the_tolerance() -> None:
    ours, theirs = trained(), loaded()
    ours.resume["losses"] = [1.9488353729248047, 1.9296863079071045, 1.9107304811477661]
    theirs.resume["losses"] = ours.resume["fresh"]["losses"] = [
        1.9488353729248047,
        1.9296607971191406,
        1.910670518875122,
    ]
    check = _check(theirs, ours)
    assert (check["status"], check["restarted"]) == ("fail", True)
    assert check["detail"][0] == (
        "loss after 3 more steps 1.91067, writer 1.91073, fresh optimizer 1.91067: restarted from scratch"
    )


def test_restart_is_found_by_the_final_weights_alone() -> None:
    ours, theirs = trained(), loaded()
    ours.resume["fresh"]["losses"] = list(ours.resume["losses"])
    theirs.resume["weights_after"] = ours.resume["fresh"]["weights_after"]
    check = _check(theirs, ours)
    assert (check["status"], check["restarted"]) == ("fail", True)


def test_going_on_is_not_taken_for_a_restart_where_rounding_differs() -> None:
    theirs = loaded()
    theirs.resume["weights_after"] = [values * np.float32(1 + 1e-5) for values in theirs.resume["weights_after"]]
    theirs.resume["losses"] = [0.5, 0.40000001, 0.3011002]
    check = _check(theirs)
    assert (check["status"], check["restarted"]) == ("pass", False)


def test_noise_of_the_writer_is_no_restart() -> None:
    ours, theirs = trained(), loaded()
    ours.resume["losses"] = [0.5, 0.4, 0.3011]
    theirs.resume["losses"] = ours.resume["fresh"]["losses"] = [0.5, 0.4, 0.3021]
    theirs.resume["weights_after"] = ours.resume["fresh"]["weights_after"]
    assert _check(theirs, ours)["restarted"]
    noisy = Tolerance(floor={"losses": 0.001, "weights_after/dense/kernel": 0.01})
    assert not _check(theirs, ours, noisy)["restarted"]


def test_weights_that_overflow_are_no_restart() -> None:
    ours, theirs = trained(), loaded()
    for draft in (ours, theirs):
        draft.resume["weights_after"][0] = np.full((4, 8), np.inf, "float32")
    check = _check(theirs, ours)
    assert (check["status"], check["restarted"]) == ("pass", False)


def test_neither_goes_on_nor_restarts() -> None:
    draft = loaded()
    draft.resume["losses"] = [0.5, 0.4, 0.9]
    assert _check(draft)["detail"][0].endswith("fresh optimizer 0.4121: neither goes on nor restarts")


def test_rounding_errors_of_training_pass_and_a_hundredth_does_not() -> None:
    draft = loaded()
    draft.resume["losses"][2] *= 1 + 5e-5
    assert _check(draft)["status"] == "pass"
    draft.resume["losses"][2] *= 1.01
    assert _check(draft)["status"] == "fail"


def test_error_in_the_step_is_an_error() -> None:
    draft = loaded()
    draft.resume = {
        "losses": [0.5],
        "weights_after": None,
        "error": {"type": "ValueError", "message": "Unknown variable\nmore"},
    }
    check = _check(draft)
    assert check["status"] == "error"
    assert check["detail"] == ["step 2 of the training after loading raises ValueError: Unknown variable"]


def test_writer_that_cannot_train_on_is_no_measure() -> None:
    ours = trained()
    ours.resume = {"losses": [], "weights_after": None, "error": {"type": "ValueError", "message": "no"}}
    assert _check(loaded(), ours)["status"] == "not-applicable"


def test_absent_on_the_reader_fails() -> None:
    draft = loaded()
    draft.resume = None
    draft.notes["resume"] = "not a Keras model"
    assert _check(draft)["detail"] == ["the loaded model cannot be trained on: not a Keras model"]


def test_fewer_steps_fail() -> None:
    draft = loaded()
    draft.resume["losses"] = [0.5]
    assert _check(draft)["status"] == "fail"


def test_most_final_weights_elsewhere_fail() -> None:
    draft = loaded()
    draft.resume["weights_after"] = [values + np.float32(0.1) for values in draft.resume["weights_after"]]
    check = _check(draft)
    assert check["status"] == "fail"
    assert (check["weights_beyond"], check["weights_moved"]) == (200, 200)
    assert (check["statistics_beyond"], check["statistics_moved"]) == (16, 16)


def test_each_kind_of_state_is_judged_by_itself() -> None:
    """Keras 2 keeps the unbiased variance of a batch, Keras 3 the biased one: the losses are the same."""
    draft = loaded()
    place = [weight.path for weight in draft.weights].index("batch_normalization/moving_variance")
    draft.resume["weights_after"][place] = draft.resume["weights_after"][place] + np.float32(0.0751)
    check = _check(draft)
    assert (check["status"], check["weights_beyond"], check["statistics_beyond"]) == ("fail", 0, 8)
    assert check["detail"] == [
        "8 of 16 values of moving statistics end elsewhere than the writer's: "
        "batch_normalization/moving_variance by up to 0.0751"
    ]
    assert _losses(check) == ["`moving_variance` of `BatchNormalization` ends elsewhere after more training"]


def test_a_single_weight_elsewhere_fails() -> None:
    draft = loaded()
    draft.resume["weights_after"][1] = draft.resume["weights_after"][1] + np.float32(0.1)
    check = _check(draft)
    assert (check["status"], check["weights_beyond"]) == ("fail", 8)
    assert check["detail"][0].startswith("8 of 200 values of weights end elsewhere than the writer's: dense/bias by")
    assert _losses(check) == ["training goes on differently"]


def test_a_weight_that_rounding_alone_moves_as_far_says_nothing() -> None:
    """A bias in front of batch normalization: its gradient is rounding noise, of which Adam makes full steps."""
    ours, theirs = trained(), loaded()
    theirs.resume["weights_after"][1] = theirs.resume["weights_after"][1] + np.float32(0.1)
    ours.resume["noise"]["weights"][1] = 0.05
    assert _check(theirs, ours)["status"] == "pass"
    ours.resume["noise"]["weights"][1] = 0.005
    assert _check(theirs, ours)["status"] == "fail"


def test_a_weight_that_makes_tiny_steps_of_nothing_but_noise_says_nothing() -> None:
    """The same bias under SGD: 2e-8, where the other weights of the model step by a thousandth."""
    ours, theirs = trained(), loaded()
    ours.weight("dense/bias").values = theirs.weight("dense/bias").values = np.zeros(8, "float32")
    ours.resume["weights_after"][1] = np.full(8, 1e-8, "float32")
    theirs.resume["weights_after"][1] = np.full(8, -1.4e-8, "float32")
    ours.resume["noise"]["weights"][1] = 1e-9
    assert _check(theirs, ours)["status"] == "pass"
    theirs.resume["weights_after"][1] = np.full(8, 1e-4, "float32")
    assert _check(theirs, ours)["status"] == "fail"


def test_states_are_not_judged_where_rounding_was_not_measured() -> None:
    ours, theirs = trained(), loaded()
    theirs.resume["weights_after"][1] = theirs.resume["weights_after"][1] + np.float32(0.1)
    ours.resume["noise"] = {"error": {"type": "ValueError", "message": "no"}}
    check = _check(theirs, ours)
    assert check["status"] == "pass"
    assert check["detail"] == ["weights after the steps are not judged: what rounding comes to was not measured"]


def test_slots_elsewhere_fail() -> None:
    draft = loaded()
    draft.resume["slots_after"][0]["array"] = draft.resume["slots_after"][0]["array"] + np.float32(0.5)
    check = _check(draft)
    assert check["status"] == "fail"
    assert "momentum of dense/kernel by up to 0.5" in check["detail"][0]
    assert _losses(check) == ["the optimizer's slots end elsewhere after more training"]


def test_slots_follow_their_variable() -> None:
    draft = loaded()
    draft.weights.reverse()
    draft.resume["weights_after"].reverse()
    for slot in draft.resume["slots_after"]:
        slot["variable"] = len(draft.weights) - 1 - slot["variable"]
    draft.resume["slots_after"].reverse()
    assert _check(draft)["status"] == "pass"


def test_outputs_after_the_steps_elsewhere_fail() -> None:
    draft = loaded()
    draft.resume["outputs_after"][""][0, 0] += 0.0568
    check = _check(draft)
    assert check["status"] == "fail"
    assert check["detail"] == [
        "1 of 6 values of the outputs end elsewhere than the writer's: the output by up to 0.0568"
    ]
    assert _losses(check) == ["outputs differ after more training"]


def test_a_metric_that_sees_another_output_fails() -> None:
    """Keras 3.14.0 hands the metrics of named outputs the other output; losses and outputs are right."""
    ours, theirs = trained(), loaded()
    ours.resume["metrics"] = {"kind_mse": [8.1, 8.0, 8.0194], "size_mae": [9.9, 9.9, 9.9925]}
    theirs.resume["metrics"] = {"kind_mse": [106.0, 106.0, 106.3595], "size_mae": [3.0, 3.0, 3.0734]}
    check = _check(theirs, ours)
    assert check["status"] == "fail"
    assert check["detail"] == [
        "metric 'kind_mse' after 3 more steps 106.4, writer 8.019",
        "metric 'size_mae' after 3 more steps 3.073, writer 9.992",
    ]
    assert _losses(check) == ["metrics have other values"]


def test_a_metric_with_a_value_for_each_class_is_compared() -> None:
    ours, theirs = trained(), loaded()
    ours.resume["metrics"] = {"f1": [[0.5, 1.0], [0.5, 1.0], [0.5, 1.0]]}
    theirs.resume["metrics"] = {"f1": [[0.5, 1.0], [0.5, 1.0], [0.5, 0.75]]}
    assert _check(theirs, ours)["detail"] == ["metric 'f1' after 3 more steps [0.5, 0.75], writer [0.5, 1.0]"]


def test_metrics_under_another_name_fail_and_the_new_name_is_told() -> None:
    """Keras 2 writes the output's name into the metric's name, once more at every save and load of `.keras`."""
    ours, theirs = trained(), loaded()
    ours.resume["metrics"] = {"kind_mse": [1.0, 2.0, 3.0], "size_mse": [1.0, 2.0, 3.0]}
    theirs.resume["metrics"] = {"kind_kind_mse": [1.0, 2.0, 3.0], "size_size_mse": [1.0, 2.0, 3.0]}
    check = _check(theirs, ours)
    assert check["status"] == "fail"
    assert check["detail"] == [
        "metric 'kind_mse' is called 'kind_kind_mse' now: what monitors it finds nothing",
        "metric 'size_mse' is called 'size_size_mse' now: what monitors it finds nothing",
    ]
    assert _losses(check) == ["metrics have other names"]


def test_metrics_that_come_or_go_fail() -> None:
    ours, theirs = trained(), loaded()
    ours.resume["metrics"] = {"a_wmae": [1.0, 1.0, 1.0]}
    theirs.resume["metrics"] = {"b_wmae": [2.0, 2.0, 2.0]}
    assert _check(theirs, ours)["detail"] == [
        "metric 'a_wmae' is not reported any more",
        "metric 'b_wmae' is reported, but was not by the writer",
    ]


@pytest.mark.parametrize(("same_keras", "status"), [(False, "pass"), (True, "fail")])
def test_the_loss_of_each_output_is_reported_by_some_versions_and_no_metric_is_lost(same_keras, status) -> None:
    ours, theirs = trained(), loaded()
    theirs.interface = {"inputs": ["x"], "outputs": ["first", "second"]}
    ours.resume["metrics"] = {"first_mae": [1.0, 1.0, 1.0]}
    theirs.resume["metrics"] = {"first_mae": [1.0, 1.0, 1.0], "first_loss": [2.0, 2.0, 2.0]}
    check = checked("resume", ours.build(), theirs.build(), same_keras=same_keras)
    assert check["status"] == status
    said = "'first_loss' is reported, too: this version of Keras reports the loss of each output"
    assert (said in check["detail"]) == (not same_keras)


def test_names_that_a_model_from_code_has_here_too_are_no_loss() -> None:
    ours, theirs = trained(), loaded()
    ours.resume["metrics"], theirs.resume["metrics"] = {"acc": [1.0, 1.0, 1.0]}, {"accuracy": [1.0, 1.0, 1.0]}
    theirs.control = {"outputs": {}, "renamed": [], "resume": theirs.resume, "error": None}
    check = _check(theirs, ours)
    assert check["status"] == "pass"
    assert check["detail"] == [
        "metrics are called accuracy here, of a model from the same code, too; in the writer acc"
    ]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([7, 3], [7, 0], "the state of the random generator of dropout is [7, 0], was [7, 3]"),
        (None, None, "the state of the random generator of dropout cannot be seen, and is not compared"),
        ([7, 3], None, "the state of the random generator of dropout ([7, 3]) is not kept"),
    ],
)
def test_the_state_of_a_seed_generator_is_told_and_is_no_loss(before: Any, after: Any, said: str) -> None:
    ours, theirs = trained(), loaded()
    ours.seeds, theirs.seeds = [{"path": "dropout", "state": before}], [{"path": "dropout", "state": after}]
    check = _check(theirs, ours)
    assert check["status"] == "pass"
    assert check["detail"][0].startswith(said)


def test_a_seed_generator_that_goes_on_is_not_mentioned() -> None:
    ours, theirs = trained(), loaded()
    ours.seeds = theirs.seeds = [{"path": "dropout", "state": [7, 3]}]
    assert _check(theirs, ours)["detail"] == []


def test_final_weights_follow_their_variable() -> None:
    draft = loaded()
    draft.weights.reverse()
    draft.resume["weights_after"].reverse()
    draft.resume["slots_after"] = []
    check = _check(draft)
    assert (check["status"], check["weights_beyond"]) == ("pass", 0)


def test_nan_losses_are_compared_by_place() -> None:
    ours, theirs = trained(), loaded()
    ours.resume["losses"] = theirs.resume["losses"] = [0.5, "nan", "inf"]
    assert _check(theirs, ours)["status"] == "pass"
    theirs.resume["losses"] = [0.5, 0.4, 0.3]
    assert _check(theirs, ours)["status"] == "fail"


def test_control_that_shows_nothing_is_said() -> None:
    ours = trained()
    ours.resume["fresh"] = {key: ours.resume[key] for key in ("losses", "weights_after", "error")}
    check = _check(loaded(), ours)
    assert check["status"] == "pass"
    assert "its state cannot be seen" in check["detail"][-1]


def test_without_the_fresh_control() -> None:
    ours = trained()
    ours.resume["fresh"] = {"losses": [], "weights_after": None, "error": {"type": "ValueError", "message": "no"}}
    check = _check(loaded(), ours)
    assert (check["status"], check["fresh_losses"]) == ("pass", None)


def test_measured_noise_widens() -> None:
    draft = loaded()
    draft.resume["losses"][2] += 0.01
    assert _check(draft, tolerance=Tolerance(floor={"losses": 0.01}))["status"] == "pass"


def test_a_weight_that_no_training_moves_says_nothing_of_the_training() -> None:
    ours, theirs = trained(), loaded()
    frozen = ours.weight("dense_1/kernel")
    position = ours.weights.index(frozen)
    ours.resume["weights_after"][position] = frozen.values
    other = frozen.values + np.float32(1)
    theirs.weights[position].values = theirs.resume["weights_after"][position] = other
    check = _check(theirs, ours)
    assert (check["status"], check["weights_beyond"]) == ("pass", 0)
    # Moved here and not there, it does.
    theirs.weights[position].values = frozen.values
    assert _check(theirs, ours)["weights_beyond"] == frozen.values.size


@pytest.mark.parametrize("path", ["dense", "dense/cell"])
@pytest.mark.parametrize(
    ("rate", "same_keras", "status"), [(0.5, False, "not-applicable"), (0.0, False, "fail"), (0.5, True, "fail")]
)
def test_random_layers_of_another_keras_go_elsewhere_by_themselves(
    rate: float, same_keras: bool, status: str, path: str
) -> None:
    ours, theirs = trained(), loaded()
    layer = ours.layer("dense")
    layer["config"] = {**layer["config"], "recurrent_dropout": rate}
    ours.seeds = theirs.seeds = [{"path": path, "state": None}]
    theirs.resume["losses"] = [0.7, 0.6, 0.5]
    check = checked("resume", ours.build(), theirs.build(), same_keras=same_keras)
    assert check["status"] == status
    if status == "not-applicable":
        assert check["detail"][0].startswith(f"where training goes is not compared: {path} draw random numbers")
    theirs.resume |= trained().resume["fresh"]
    check = checked("resume", ours.build(), theirs.build(), same_keras=same_keras)
    assert check["status"] == "fail", "that it restarts from scratch is no matter of chance"


def test_layers_that_were_silent_in_training_are_told_and_excuse_nothing() -> None:
    ours, theirs = trained(), loaded()
    ours.seeds = theirs.seeds = [{"path": "dropout", "state": None}]
    ours.resume["silent"] = theirs.resume["silent"] = ["dropout"]
    check = checked("resume", ours.build(), theirs.build(), same_keras=False)
    assert check["status"] == "pass"
    assert "training is compared without what dropout draw: another version draws other numbers" in check["detail"]
    theirs.resume["losses"] = [0.7, 0.6, 0.5]
    assert checked("resume", ours.build(), theirs.build(), same_keras=False)["status"] == "fail"
