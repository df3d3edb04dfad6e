from __future__ import annotations

import numpy as np
import pytest
from observation_builder import Draft, checked, loaded, trained
from tfmatrix.checks.tolerance import Tolerance


def _check(theirs: Draft, ours: Draft | None = None, tolerance: Tolerance | None = None) -> dict:
    return checked("resume", (ours or trained()).build(), theirs.build(), tolerance=tolerance)


def test_going_on_passes_with_all_three_series() -> None:
    check = _check(loaded())
    assert check["status"] == "pass"
    assert check["losses"] == check["writer_losses"] == [0.5, 0.4, 0.3011]
    assert check["fresh_losses"] == [0.5, 0.45, 0.4121]
    assert (check["max_abs"], check["weights_max_abs"]) == (0.0, 0.0)


def test_restart_from_scratch_is_measured() -> None:
    draft = loaded()
    draft.resume = trained().resume["fresh"]
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
    assert check["weights_beyond"] == check["weights_moved"] == 216


def test_some_final_weights_elsewhere_are_noted() -> None:
    draft = loaded()
    draft.resume["weights_after"][1] = draft.resume["weights_after"][1] + np.float32(0.1)
    check = _check(draft)
    assert (check["status"], check["weights_beyond"]) == ("pass", 8)
    assert check["detail"][0].startswith("8 of 216 weights that training moves end elsewhere")


def test_final_weights_follow_their_variable() -> None:
    draft = loaded()
    draft.weights.reverse()
    draft.resume["weights_after"].reverse()
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
