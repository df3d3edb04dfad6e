from __future__ import annotations

import numpy as np
import pytest
from observation_builder import Draft, checked, loaded, trained


def _check(theirs: Draft, ours: Draft | None = None) -> dict:
    return checked("optimizer", (ours or trained()).build(), theirs.build())


def test_equal_state_passes_with_counts() -> None:
    check = _check(loaded())
    assert (check["status"], check["slots"], check["identical"]) == ("pass", 16, 16)
    assert (check["iterations_before"], check["iterations_after"]) == (3, 3)


def test_lost_optimizer() -> None:
    draft = loaded()
    draft.optimizer = None
    draft.notes["optimizer"] = "the model is not compiled"
    check = _check(draft)
    assert (check["status"], check["lost"], check["slots"]) == ("fail", 16, 16)
    assert check["detail"] == ["the loaded model has no optimizer: the model is not compiled"]


def test_restarted_from_scratch() -> None:
    draft = loaded()
    draft.optimizer["iterations"] = 0
    for slot in draft.optimizer["slots"]:
        slot["array"] = np.zeros_like(slot["array"])
    check = _check(draft)
    assert (check["reset"], check["lost"], check["changed"], check["identical"]) == (16, 0, 0, 0)
    assert check["detail"][:2] == ["iterations 3 → 0", "16 of 16 slots reset"]


def test_missing_and_changed_slots_are_counted() -> None:
    draft = loaded()
    draft.optimizer["slots"] = [slot for slot in draft.optimizer["slots"] if slot["slot"] != "velocity"]
    draft.slot("momentum", "dense/kernel")["array"][0, 0] += 1
    check = _check(draft)
    assert (check["lost"], check["changed"], check["identical"]) == (8, 1, 7)
    assert check["worst"] == "momentum of dense/kernel"
    assert check["detail"][:2] == ["8 of 16 slots lost", "1 of 16 slots changed"]


@pytest.mark.parametrize(
    "names",
    [{"momentum": "m", "velocity": "v"}, {"momentum": "momentum", "velocity": "rms"}],
)
def test_names_of_the_generations_are_one(names: dict[str, str]) -> None:
    draft = loaded()
    for slot in draft.optimizer["slots"]:
        slot["slot"] = names[slot["slot"]]
    draft.optimizer["implementation"] = "legacy"
    assert _check(draft)["status"] == "pass"


def test_slots_follow_their_variable() -> None:
    draft = loaded()
    draft.weights.reverse()
    number = {weight.path: index for index, weight in enumerate(draft.weights)}
    for weight in draft.weights:
        weight.path = weight.path.replace("dense_1", "hidden")
    for slot in draft.optimizer["slots"]:
        slot["variable"] = number[slot["path"]]
    check = _check(draft)
    assert (check["status"], check["identical"]) == ("pass", 16)


def test_slots_of_two_variables_swapped_are_found() -> None:
    draft = loaded()
    a, b = draft.slot("momentum", "dense_1/kernel"), draft.slot("momentum", "dense_2/kernel")
    a["array"], b["array"] = b["array"], a["array"]
    assert _check(draft)["changed"] == 2


def test_slots_of_a_lost_variable_are_lost() -> None:
    draft = loaded()
    draft.weights.pop()
    draft.optimizer["slots"] = [slot for slot in draft.optimizer["slots"] if slot["variable"] != 9]
    assert _check(draft)["lost"] == 2


def test_another_class() -> None:
    draft = loaded()
    draft.optimizer["class"] = "SGD"
    assert _check(draft)["detail"] == ["the optimizer is SGD, was Adam"]


def test_zeros_that_are_not_written_are_no_loss() -> None:
    ours, theirs = trained(), loaded()
    for slot in ours.optimizer["slots"]:
        if slot["slot"] == "momentum":
            slot["array"] = np.zeros_like(slot["array"])
    theirs.optimizer["slots"] = [slot for slot in theirs.optimizer["slots"] if slot["slot"] == "velocity"]
    check = _check(theirs, ours)
    assert (check["status"], check["lost"]) == ("pass", 0)
    assert check["detail"][0] == "momentum of dense/kernel is not there; it was all zeros"


def test_fresh_extra_slots_are_no_loss_and_filled_ones_are() -> None:
    ours, theirs = trained(), loaded()
    ours.optimizer["slots"] = [slot for slot in ours.optimizer["slots"] if slot["slot"] == "velocity"]
    for slot in theirs.optimizer["slots"]:
        if slot["slot"] == "momentum":
            slot["array"] = np.zeros_like(slot["array"])
    assert _check(theirs, ours)["status"] == "pass"
    assert _check(loaded(), ours)["status"] == "fail"


@pytest.mark.parametrize(
    ("name", "momentum", "status"), [("SGD", 0.0, "pass"), ("SGD", 0.9, "fail"), ("Adam", 0.0, "fail")]
)
def test_momentum_that_is_never_read_is_set_aside(name: str, momentum: float, status: str) -> None:
    ours, theirs = trained(), loaded()
    for draft in (ours, theirs):
        draft.optimizer["class"] = name
        draft.optimizer["hyperparameters"] = {"momentum": momentum}
        draft.optimizer["slots"] = [slot for slot in draft.optimizer["slots"] if slot["slot"] == "momentum"]
    theirs.optimizer["slots"] = []
    assert _check(theirs, ours)["status"] == status


def test_reset_of_a_single_number_is_a_reset() -> None:
    ours, theirs = trained(), loaded()
    for draft, value in ((ours, 0.5), (theirs, 0.0)):
        draft.slot("velocity", "dense_2/bias")["array"] = np.array([value], "float32")
    assert _check(theirs, ours)["reset"] == 1


def test_slot_of_another_shape_is_changed() -> None:
    draft = loaded()
    draft.slot("velocity", "dense_2/bias")["array"] = np.ones(3, "float32")
    check = _check(draft)
    assert check["changed"] == 1
    assert "velocity of dense_2/bias is float32[3], was float32[8]" in check["detail"]


def test_scalars_beside_the_iterations() -> None:
    ours, theirs = trained(), loaded()
    ours.optimizer["state"] = {"loss_scale": 32768.0, "u_product": 0.1}
    theirs.optimizer["state"] = {"loss_scale": 1.0, "u_product": float(np.float32(0.1))}
    check = _check(theirs, ours)
    assert check["detail"] == ["loss_scale 32768.0 → 1.0"]
    theirs.optimizer["state"] = {"loss_scale": 32768.0}
    assert _check(theirs, ours)["detail"] == ["u_product (0.1) is not kept"]
    theirs.optimizer["implementation"] = "legacy"
    assert _check(theirs, ours)["status"] == "pass"


def test_seeds_among_the_slots_are_set_aside() -> None:
    ours, theirs = trained(), loaded()
    for draft, value in ((ours, 1), (theirs, 2)):
        draft.optimizer["slots"].append(
            {
                "slot": "state",
                "variable": None,
                "path": "seed_generator/seed_generator_state",
                "array": np.array([value, 5]),
            }
        )
    assert _check(theirs, ours)["status"] == "pass"
