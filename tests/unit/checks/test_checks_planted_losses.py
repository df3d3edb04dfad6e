"""Each planted loss is found by the check that it belongs to, and by no other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from observation_builder import Draft, DraftWeight, loaded, trained
from tfmatrix.checks.comparison import compare
from tfmatrix.checks.contract import holds
from tfmatrix.checks.registry import checks


def _drop_optimizer(draft: Draft) -> None:
    draft.optimizer = None
    draft.notes["optimizer"] = "the model is not compiled"


def _zero_a_slot(draft: Draft) -> None:
    slot = draft.slot("velocity", "dense_1/kernel")
    slot["array"] = np.zeros_like(slot["array"])


def _iterations_off_by_one(draft: Draft) -> None:
    draft.optimizer["iterations"] += 1


def _learning_rate(draft: Draft) -> None:
    draft.compile["hyperparameters"]["learning_rate"] = 0.01


def _swap_equal_shapes(draft: Draft) -> None:
    a, b = draft.weight("dense_1/kernel"), draft.weight("dense_2/kernel")
    a.values, b.values = b.values, a.values


def _one_ulp(draft: Draft) -> None:
    values = draft.weight("dense_1/kernel").values
    values[3, 3] = np.nextafter(values[3, 3], np.float32(np.inf))


def _flip_trainable(draft: Draft) -> None:
    draft.config["trainable"]["dense_1"] = False
    draft.weight("dense_1/kernel").trainable = draft.weight("dense_1/bias").trainable = False


def _lose_the_loss(draft: Draft) -> None:
    draft.compile["loss"] = None


def _drop_a_metric(draft: Draft) -> None:
    draft.compile["metrics"] = ["mean_absolute_error"]


def _rename_a_signature(draft: Draft) -> None:
    draft.signatures = {"serve": draft.signatures["serving_default"]}


def _change_an_activation(draft: Draft) -> None:
    draft.layer("dense")["config"]["activation"] = "linear"


def _reset_the_moving_mean(draft: Draft) -> None:
    draft.weight("batch_normalization/moving_mean").values = np.zeros(8, "float32")


def _change_the_order_of_layers(draft: Draft) -> None:
    layers = draft.config["layers"]
    layers[2], layers[3] = layers[3], layers[2]


def _change_a_dtype_policy(draft: Draft) -> None:
    draft.config["dtype_policies"]["dense"] = "mixed_float16"


def _train_elsewhere(draft: Draft) -> None:
    draft.resume["losses"] = [0.5, 0.45, 0.4121]


def _raise_in_training(draft: Draft) -> None:
    draft.resume = {"losses": [], "weights_after": None, "error": {"type": "ValueError", "message": "no"}}


def _change_an_output(draft: Draft) -> None:
    draft.outputs[""][0, 0] = 0.2


PLANTED: dict[str, tuple[Callable[[Draft], None], str]] = {
    "optimizer dropped": (_drop_optimizer, "optimizer"),
    "one slot zeroed": (_zero_a_slot, "optimizer"),
    "iterations off by one": (_iterations_off_by_one, "optimizer"),
    "learning rate changed": (_learning_rate, "compile"),
    "two weights of equal shape swapped": (_swap_equal_shapes, "weights"),
    "one weight off by 1 ULP": (_one_ulp, "weights"),
    "a layer's trainable flipped": (_flip_trainable, "config"),
    "a lost loss function": (_lose_the_loss, "compile"),
    "a dropped metric": (_drop_a_metric, "compile"),
    "a signature renamed": (_rename_a_signature, "signatures"),
    "a changed activation": (_change_an_activation, "config"),
    "moving mean reset": (_reset_the_moving_mean, "weights"),
    "order of layers changed": (_change_the_order_of_layers, "config"),
    "a dtype policy changed": (_change_a_dtype_policy, "config"),
    "training restarts": (_train_elsewhere, "resume"),
    "training raises": (_raise_in_training, "resume"),
    "an output changed": (_change_an_output, "outputs"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_loss_is_found_by_its_own_check_only(name: str) -> None:
    plant, expected = PLANTED[name]
    draft = loaded()
    plant(draft)
    found = compare(trained().build(), draft.build())
    assert [check for check, result in found.items() if not holds(result)] == [expected]
    assert found[expected]["detail"]


def test_without_a_loss_everything_passes() -> None:
    found = compare(trained().build(), loaded().build())
    assert {name: check["status"] for name, check in found.items()} == {
        name: "pass" for name, check in checks().items() if check.section and not check.said_where_promised
    }


def test_seeds_are_set_aside_and_recorded() -> None:
    draft = loaded()
    draft.layer("dropout")["config"]["seed"] = 7
    draft.weights.append(DraftWeight("dropout/seed_generator_state", np.array([0, 7], "int64"), trainable=False))
    found = compare(trained().build(), draft.build())
    assert all(holds(check) for check in found.values())
    assert found["config"]["aside"] == ["dropout.seed"]
    assert found["weights"]["seed_states"] == 1
