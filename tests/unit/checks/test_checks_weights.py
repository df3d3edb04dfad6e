from __future__ import annotations

import numpy as np
import pytest
from observation_builder import Draft, DraftWeight, checked, loaded, trained


def _check(theirs: Draft) -> dict:
    return checked("weights", trained().build(), theirs.build())


def test_one_ulp_fails_with_the_figure() -> None:
    draft = loaded()
    values = draft.weight("dense_1/kernel").values
    values[0, 0] = np.nextafter(values[0, 0], np.float32(np.inf))
    check = _check(draft)
    assert (check["status"], check["changed"], check["max_ulp"], check["worst"]) == ("fail", 1, 1, "dense_1/kernel")
    assert "1 of 64 values differ" in check["detail"][0]
    assert "(1 ULP)" in check["detail"][0]


def test_reset_is_told_from_change() -> None:
    draft = loaded()
    draft.weight("batch_normalization/moving_mean").values = np.zeros(8, "float32")
    assert _check(draft)["detail"] == ["batch_normalization/moving_mean: all 8 values are 0 now"]


def test_sign_of_zero_is_a_changed_bit() -> None:
    draft = loaded()
    draft.weight("dense/bias").values = -np.zeros(8, "float32")
    check = _check(draft)
    assert (check["status"], check["max_abs"]) == ("fail", 0.0)
    assert "signs of zeros" in check["detail"][0]


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_dtype_change_is_named(dtype: str) -> None:
    draft = loaded()
    weight = draft.weight("dense/bias")
    weight.values = weight.values.astype(dtype)
    check = _check(draft)
    assert (check["status"], check["dtype_changed"]) == ("fail", 1)
    assert check["detail"] == [f"dense/bias is {dtype}, was float32"]


def test_missing_and_extra_are_named() -> None:
    draft = loaded()
    draft.weights = draft.weights[:-1]
    draft.weights.append(DraftWeight("other/table", np.arange(3, dtype="int64")))
    check = _check(draft)
    assert (check["status"], check["missing"], check["extra"]) == ("fail", 1, 1)
    assert check["detail"] == [
        "dense_2/bias float32[8] is missing",
        "other/table int64[3] is there but was not in the writer",
    ]


def test_losing_all_weights_fails() -> None:
    draft = loaded()
    draft.weights = []
    assert _check(draft)["missing"] == 10


def test_model_without_weights_has_nothing_to_compare() -> None:
    assert checked("weights", Draft().build(), Draft().build())["status"] == "not-applicable"
    extra = Draft(weights=[DraftWeight("dense/bias", np.ones(2))])
    assert checked("weights", Draft().build(), extra.build())["status"] == "fail"


def test_nan_is_compared_by_its_bits() -> None:
    ours, theirs = trained(), loaded()
    for draft in (ours, theirs):
        draft.weight("dense/bias").values[0] = np.nan
    assert checked("weights", ours.build(), theirs.build())["status"] == "pass"
    theirs.weight("dense/bias").values[0] = 1.0
    assert "NaN on one side" in checked("weights", ours.build(), theirs.build())["detail"][0]


def test_trainable_flag_belongs_to_config_where_there_is_one() -> None:
    draft = loaded()
    draft.weight("dense/kernel").trainable = False
    check = _check(draft)
    assert (check["status"], check["trainable_changed"]) == ("pass", 1)
    assert check["detail"] == ["dense/kernel is not trainable any more"]
    ours = trained()
    ours.config = None
    assert checked("weights", ours.build(), draft.build())["status"] == "fail"


def test_many_losses_are_all_kept() -> None:
    ours = Draft(weights=[DraftWeight(f"layer_{index}/kernel", np.array([index + 0.5])) for index in range(100)])
    check = checked("weights", ours.build(), Draft().build())
    assert [found["subject"] for found in check["findings"]] == [f"layer_{index}/kernel" for index in range(100)]
    assert check["detail"][-1] == "layer_99/kernel float64[1] is missing"


def test_string_and_integer_weights_are_exact() -> None:
    ours = Draft(weights=[DraftWeight("lookup/table", np.array([b"a", b"b"], dtype=object))])
    theirs = Draft(weights=[DraftWeight("lookup/table", np.array([b"a", b"c"], dtype=object))])
    assert checked("weights", ours.build(), ours.build())["status"] == "pass"
    assert checked("weights", ours.build(), theirs.build())["detail"] == ["lookup/table: 1 of 2 values differ"]
