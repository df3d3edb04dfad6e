"""The checks of the format `code`, on drafts of two trainings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from observation_builder import Draft, checked, drawn, retrained
from tfmatrix.checks.comparison import compare
from tfmatrix.checks.registry import checks
from tfmatrix.checks.retraining import attribute_training, booked, with_switches
from tfmatrix.core.records import Finding

TRAINED = ("updates", "metrics", "learning")
ALL = ("defaults", "forward", "gradients", *TRAINED, "initializers")
STATISTIC = 5
"""Where the moving variance stands among the draft's weights."""


def _found(name: str, change: Callable[[Draft], None]) -> dict:
    draft = retrained()
    change(draft)
    return checked(name, retrained().build(), draft.build())


def _losses(name: str, check: dict) -> list[str]:
    return checks()[name].losses([Finding.from_json(each) for each in check["findings"]], check)


@pytest.mark.parametrize("name", ALL)
def test_the_same_training_passes(name: str) -> None:
    assert _found(name, lambda draft: None)["status"] == "pass"


def _statistic(draft: Draft, parts: tuple[str, ...] = ("first", "last")) -> None:
    for part in parts:
        draft.course[part]["weights_after"][STATISTIC] += np.float32(0.02)


def test_a_moving_average_that_goes_elsewhere_is_named_where_the_losses_agree() -> None:
    check = _found("updates", _statistic)
    assert check["status"] == "fail"
    assert check["detail"] == [
        "after the first step 8 of 16 values of moving statistics are not the writer's: "
        "batch_normalization/moving_variance by up to 0.02, after 3 steps 0.02"
    ]
    assert _losses("updates", check) == ["training moves `moving_variance` of `BatchNormalization` elsewhere"]
    assert _found("learning", _statistic)["status"] == "pass"


def test_what_only_many_steps_show_is_told_with_their_number() -> None:
    (finding,) = _found("updates", lambda draft: _statistic(draft, ("last",)))["findings"]
    assert (finding["code"], finding["figures"]["step"]) == ("statistics", 3)


def test_a_slot_that_goes_elsewhere_is_named_with_its_variable() -> None:
    def change(draft: Draft) -> None:
        draft.course["first"]["slots_after"][0]["array"] *= np.float32(1.01)

    (finding,) = _found("updates", change)["findings"]
    assert (finding["code"], finding["subject"]) == ("slots", "momentum of dense/kernel")
    assert finding["figures"]["class"] == "Dense"


def test_the_first_step_whose_loss_differs_is_told() -> None:
    def change(draft: Draft) -> None:
        draft.course["last"]["losses"][1:] = [0.41, 0.32]

    check = _found("learning", change)
    assert check["detail"] == ["the loss is another one from step 2 on: after 3 steps 0.32, in the writer 0.3011"]


def test_what_rounding_alone_comes_to_is_granted() -> None:
    writer, reader = retrained(), retrained()
    writer.course["last"]["noise"]["losses"] = 0.1
    reader.course["last"]["losses"][1:] = [0.41, 0.32]
    assert checked("learning", writer.build(), reader.build())["status"] == "pass"


@pytest.mark.parametrize("name", TRAINED)
def test_training_that_raises_is_an_error_of_the_reader_alone(name: str) -> None:
    def change(draft: Draft) -> None:
        draft.course["first"]["error"] = {"type": "TypeError", "message": "no"}

    assert _found(name, change)["status"] == "error"
    writer = retrained()
    change(writer)
    assert checked(name, writer.build(), retrained().build())["status"] == "not-applicable"


@pytest.mark.parametrize("name", TRAINED)
def test_layers_that_were_silenced_are_said(name: str) -> None:
    writer = retrained()
    writer.course["silent"] = ["dropout"]
    check = checked(name, writer.build(), retrained().build())
    assert check["status"] == "pass"
    assert name == "metrics" or "without what dropout draw" in check["detail"][0]


def test_a_changed_default_is_named_with_its_layer_and_both_values() -> None:
    def change(draft: Draft) -> None:
        draft.layer("batch_normalization")["config"]["epsilon"] = 1e-5
        draft.compile["hyperparameters"]["epsilon"] = 1e-8

    check = _found("defaults", change)
    assert check["detail"] == [
        "batch_normalization.epsilon: 0.001 → 1e-05",
        "compile.hyperparameters.epsilon: 1e-07 → 1e-08",
    ]
    assert _losses("defaults", check) == [
        "a default changed: `compile.hyperparameters.epsilon`",
        "a default changed: `epsilon` of `BatchNormalization`",
    ]


def test_automatic_names_of_nested_models_are_no_changed_defaults() -> None:
    def change(draft: Draft) -> None:
        for layer in draft.config["layers"]:
            layer["path"] = f"functional/{layer['path']}"
        for table in ("trainable", "dtype_policies"):
            draft.config[table] = {
                f"functional/{path}" if path else "": each for path, each in draft.config[table].items()
            }

    assert _found("defaults", change)["status"] == "pass"


def test_what_one_version_does_not_name_is_set_aside_between_versions_alone() -> None:
    writer, reader = retrained(), retrained()
    writer.layer("dense")["config"]["output_padding"] = [1, 1]
    found = [checked("defaults", writer.build(), reader.build(), same_keras=same) for same in (True, False)]
    assert [check["status"] for check in found] == ["fail", "pass"]
    assert found[1]["aside"] == ["dense.output_padding"]


def test_the_first_layer_that_computes_something_else_is_named_and_what_follows_counted() -> None:
    def change(draft: Draft) -> None:
        for tensor in draft.forward["training"][1:]:
            tensor["array"] = tensor["array"] * np.float32(1.01)

    (finding,) = _found("forward", change)["findings"]
    assert (finding["code"], finding["subject"]) == ("values", "batch_normalization")
    assert (finding["figures"]["mode"], finding["figures"]["differing"]) == ("training", 3)


def test_what_other_kernels_come_to_is_no_finding() -> None:
    def change(draft: Draft) -> None:
        for tensor in draft.forward["inference"]:
            tensor["array"] = tensor["array"] * np.float32(1 + 2**-22)

    assert _found("forward", change)["status"] == "pass"


def test_layers_with_automatic_names_are_found_by_class_and_place() -> None:
    def change(draft: Draft) -> None:
        names = {"dense": "dense_7", "batch_normalization": "batch_normalization_3", "dense_1": "dense_8", "": ""}
        for mode in draft.forward.values():
            for tensor in mode:
                tensor["path"] = names[tensor["path"]]

    check = _found("forward", change)
    # The model's own output has the same path on both sides; the others are counted all the same.
    assert (check["status"], check["inference_tensors"]) == ("pass", 4)


def test_a_layer_of_another_shape_is_a_finding_of_its_own() -> None:
    def change(draft: Draft) -> None:
        draft.forward["inference"][0] |= {"shape": [2, 9], "array": np.zeros(18, "float32")}

    (finding,) = _found("forward", change)["findings"]
    assert (finding["code"], finding["subject"]) == ("shape", "dense")


def test_a_gradient_that_is_scaled_is_named_with_the_factor() -> None:
    def change(draft: Draft) -> None:
        gradient = draft.gradients["variables"][-1]
        gradient["array"], gradient["scale"] = gradient["array"] * np.float32(1.01), gradient["scale"] * 1.01

    (finding,) = _found("gradients", change)["findings"]
    assert (finding["code"], finding["subject"]) == ("gradient", "dense_2/bias")
    assert finding["figures"]["ratio"] == pytest.approx(1.01, abs=1e-6)


def test_a_variable_without_a_gradient_is_named() -> None:
    (finding,) = _found("gradients", lambda draft: draft.gradients["variables"].pop(0))["findings"]
    assert (finding["code"], finding["subject"]) == ("none", "dense/kernel")


def test_a_metric_of_something_else_is_told_apart_from_one_that_follows() -> None:
    def metric(draft: Draft) -> None:
        draft.course["evaluated"]["before"]["mae"] = 0.2

    def both(draft: Draft) -> None:
        metric(draft)
        draft.course["last"]["losses"][2] = 0.4

    assert [each["code"] for each in _found("metrics", metric)["findings"]] == ["source"]
    assert [each["code"] for each in _found("metrics", both)["findings"]] == ["value"]


def test_a_metric_with_another_name_is_told_once() -> None:
    def change(draft: Draft) -> None:
        for found in (draft.course["evaluated"]["before"], draft.course["evaluated"]["after"]):
            found["a_mae"] = found.pop("mae")
        for part in ("first", "last"):
            draft.course[part]["metrics"] = {"a_mae": draft.course[part]["metrics"]["mae"]}

    (finding,) = _found("metrics", change)["findings"]
    assert (finding["code"], finding["subject"], finding["figures"]["after"]) == ("renamed", "mae", "a_mae")


RNG = np.random.default_rng(2)


@pytest.mark.parametrize(
    ("numbers", "by"),
    [
        (RNG.uniform(-0.5, 0.5, 640), None),
        (RNG.uniform(-0.25, 0.25, 640), "deviation"),
        (RNG.uniform(-0.3, 0.7, 640), "mean"),
        (np.clip(RNG.normal(0, 0.2887, 640), -0.65, 0.65), "shape"),
        (np.full(640, 0.1), "value"),
    ],
    ids=["other numbers", "narrower", "moved", "normal", "constant"],
)
def test_another_distribution_is_found_and_other_numbers_are_not(numbers: np.ndarray, by: str | None) -> None:
    def change(draft: Draft) -> None:
        draft.draws["weights"][0] = drawn("dense/kernel", numbers)

    check = _found("initializers", change)
    found = {each["code"]: each for each in check["findings"]}
    assert "numbers" in found
    assert check["status"] == ("pass" if by is None else "fail")
    if by is not None:
        assert (found["distribution"]["subject"], found["distribution"]["figures"]["by"]) == ("dense/kernel", by)


def test_seeds_that_are_not_honoured_any_more_are_told() -> None:
    check = _found("initializers", lambda draft: draft.draws.update(repeats=False))
    assert [each["code"] for each in check["findings"]] == ["repeats"]


def test_random_layers_are_compared_by_the_losses_of_several_seeds() -> None:
    def numbers(*last: float) -> list[list[float]]:
        return [[1.0, each] for each in last]

    writer, same, other = retrained(), retrained(), retrained()
    for draft, drawn_losses in ((writer, (0.5, 0.6, 0.55)), (same, (0.62, 0.52, 0.54)), (other, (2.5, 2.6, 2.55))):
        draft.course |= {"silent": ["dropout"], "drawn": numbers(*drawn_losses)}
    found = [checked("learning", writer.build(), each.build()) for each in (same, other)]
    assert [check["status"] for check in found] == ["pass", "fail"]
    assert [check["findings"][0]["code"] for check in found] == ["numbers", "drawn"]


def _attributed(change: Callable[[Draft], None]) -> dict:
    draft = retrained()
    change(draft)
    found = compare(retrained().build(), draft.build(), applicable=ALL)
    return attribute_training(found)["training"]


def test_a_difference_is_attributed_to_what_parts_first() -> None:
    def default(draft: Draft) -> None:
        draft.layer("batch_normalization")["config"]["momentum"] = 0.9
        _statistic(draft)

    def rounding(draft: Draft) -> None:
        draft.course["last"]["losses"][2] = 0.31

    def draws(draft: Draft) -> None:
        draft.draws["weights"][0] = drawn("dense/kernel", np.full(640, 0.1))

    assert _attributed(default)["by"] == ["default", "arithmetic"]
    assert _attributed(_statistic) == {
        "by": ["arithmetic"],
        "first": {"check": "updates", "subject": "batch_normalization/moving_variance"},
    }
    assert _attributed(rounding)["by"] == ["numerics"]
    assert _attributed(draws)["by"] == ["randomness"]


SWITCH = "jit_compile=False"
PARTED = {
    "numerics": {"found": False, "checks": []},
    "training": {"by": ["arithmetic", "interface"], "first": {"check": "updates", "subject": "dense/kernel"}},
    "sentence": "the same configuration computes something else",
}


def _statuses(*failing: str) -> dict:
    names = ("forward", "gradients", "updates", "metrics", "learning")
    return {name: {"status": "fail" if name in failing else "pass", "findings": []} for name in names}


def _booked(*left: str, new: tuple[str, ...] = ()) -> dict:
    failed = ("signatures", "updates", "learning")
    return booked(SWITCH, failed, both=_statuses(*left), old=_statuses(), new=_statuses(*new))


def test_what_is_gone_with_the_switch_off_on_both_sides_is_the_switchs() -> None:
    switch = _booked(new=("updates",))
    assert (switch["to"], switch["gone"], switch["left"]) == ("switch", ["updates", "learning"], [])
    assert (switch["changes_old"], switch["changes_new"]) == (False, True)
    found = with_switches(PARTED, [switch])
    assert found["training"]["by"] == ["switch", "interface"]
    assert found["sentence"].endswith(
        f"; with `{SWITCH}` on both sides it is gone: that switch, which changes what the new version computes"
    )


def test_what_is_there_with_the_switch_off_is_the_upgrades() -> None:
    switch = _booked("updates", "learning", new=("updates",))
    assert (switch["to"], switch["gone"]) == ("version", [])
    found = with_switches(PARTED, [switch])
    assert found["training"]["by"] == ["arithmetic", "interface"]
    assert found["sentence"].endswith(f"; with `{SWITCH}` on both sides it is there as well: the upgrade")


def test_what_is_partly_gone_is_booked_to_both() -> None:
    switch = _booked("learning")
    assert (switch["to"], switch["gone"], switch["left"]) == ("both", ["updates"], ["learning"])
    found = with_switches(PARTED, [switch])
    assert found["training"]["by"] == ["arithmetic", "interface", "switch"]
    assert "updates hold, learning do not" in found["sentence"]


def test_a_switch_that_is_guilty_leaves_nothing_to_the_upgrade() -> None:
    found = with_switches(PARTED, [_booked(), {**_booked("updates", "learning"), "name": "other"}])
    assert "the upgrade" not in found["sentence"]
    assert [each["to"] for each in found["training"]["switches"]] == ["switch", "version"]


def test_a_check_that_says_nothing_with_the_switch_off_is_not_gone() -> None:
    both = {**_statuses(), "learning": {"status": "not-applicable", "findings": []}}
    assert booked(SWITCH, ("learning",), both=both, old={}, new={})["to"] == "version"


def test_an_attribution_without_designs_stays() -> None:
    assert with_switches(PARTED, []) == PARTED
    assert with_switches(None, [_booked()]) is None
