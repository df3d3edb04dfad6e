from __future__ import annotations

import numpy as np
import pytest
from observation_builder import Draft, DraftWeight, checked, loaded, trained
from tfmatrix.checks.tolerance import EPSILON, Tolerance, base_units, kernel_units, working_precision

DERIVED = Tolerance()


def _model(values: object, dtype: str = "float32", **changes: object) -> Draft:
    return Draft(outputs={"": np.array(values, dtype)}, **changes)


def _status(ours: Draft, theirs: Draft, tolerance: Tolerance = DERIVED) -> str:
    return checked("outputs", ours.build(), theirs.build(), tolerance=tolerance)["status"]


def test_equal_outputs_pass_with_figures() -> None:
    check = checked("outputs", trained().build(), loaded().build(), tolerance=DERIVED)
    assert check["status"] == "pass"
    assert {key: check[key] for key in ("max_abs", "max_rel", "max_ulp", "argmax_flips", "elements", "worst")} == {
        "max_abs": 0.0,
        "max_rel": 0.0,
        "max_ulp": 0,
        "argmax_flips": 0,
        "elements": 6,
        "worst": None,
    }
    assert check["rtol"] == 16 * EPSILON["float32"]


def test_worst_output_is_named_with_its_figures() -> None:
    ours = Draft(outputs={"a": np.ones(3, "float32"), "b": np.ones((1, 2), "float32")})
    theirs = Draft(outputs={"a": np.ones(3, "float32"), "b": np.array([[1.0, 2.0]], "float32")})
    check = checked("outputs", ours.build(), theirs.build(), tolerance=DERIVED)
    assert (check["status"], check["worst"], check["max_abs"], check["argmax_flips"]) == ("fail", "b", 1.0, 1)
    assert check["detail"][0].startswith("1 of 2 values of output 'b' are beyond the tolerance: by up to 1 (")


def test_a_few_units_of_precision_pass() -> None:
    one = np.float32(1)
    near = np.nextafter(np.nextafter(one, np.float32(2)), np.float32(2))
    assert _status(_model([1.0]), _model([near])) == "pass"
    assert _status(_model([1.0]), _model([1.0 + 1e-4])) == "fail"


def test_tolerance_scales_with_the_outputs() -> None:
    assert _status(_model([1e-9]), _model([2e-9])) == "fail"
    # Cancellation left the second element small: its error is that of the sums that made it.
    assert _status(_model([1.0, 1e-8]), _model([1.0, 3e-7])) == "pass"


def test_float64_over_float32_weights_has_float32s_precision() -> None:
    ours, theirs = _model([1.0], "float64"), _model([1.0 + 1e-7], "float64")
    assert _status(ours, theirs) == "fail"
    ours.weights = [DraftWeight("dense/kernel", np.ones((2, 2), "float32"))]
    assert _status(ours, theirs) == "pass"


def test_mixed_precision_has_the_narrow_precision() -> None:
    ours = _model([1.0])
    assert working_precision(ours.build(), "float32") == "float32"
    ours.config = {"layers": [], "dtype_policies": {"": "float32", "dense": "mixed_float16"}}
    assert working_precision(ours.build(), "float32") == "float16"
    assert working_precision(ours.build(), "int32") == "int32"
    assert _status(ours, _model([1.002])) == "pass"


@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_integers_are_exact(dtype: str) -> None:
    assert _status(_model([1, 1], dtype), _model([1, 0], dtype)) == "fail"


def test_strings_are_exact() -> None:
    ours, theirs = (Draft(outputs={"": np.array(texts, dtype=object)}) for texts in ([b"a"], [b"b"]))
    assert _status(ours, ours) == "pass"
    assert _status(ours, theirs) == "fail"


def test_nan_in_the_same_place_is_equal() -> None:
    assert _status(_model([np.nan, 1.0]), _model([np.nan, 1.0])) == "pass"
    check = checked(
        "outputs", _model([np.nan, 1.0]).build(), _model([0.0, 1.0]).build(), tolerance=Tolerance(rtol=1, atol=1)
    )
    assert (check["status"], check["nan_mismatches"]) == ("fail", 1)


def test_infinite_figures_are_json_strings() -> None:
    check = checked("outputs", _model([1.0]).build(), _model([np.inf]).build(), tolerance=DERIVED)
    assert check["max_abs"] == "inf"


@pytest.mark.parametrize(
    ("theirs", "sentence"),
    [
        (_model([[1.0]]), "the output has shape [1, 1], was [1]"),
        (_model([1.0], "float64"), "the output is float64, was float32"),
        (Draft(outputs={"0": np.ones(1, "float32")}), "the structure changed: the output is called output '0' now"),
        (Draft(outputs={}), "the output is missing"),
    ],
)
def test_structural_differences_are_named(theirs: Draft, sentence: str) -> None:
    check = checked("outputs", _model([1.0]).build(), theirs.build(), tolerance=DERIVED)
    assert check["status"] == "fail"
    assert check["detail"] == [sentence]


def test_extra_output_is_named() -> None:
    theirs = Draft(outputs={"": np.ones(1, "float32"), "b": np.ones(1, "float32")})
    detail = checked("outputs", _model([1.0]).build(), theirs.build(), tolerance=DERIVED)["detail"]
    assert detail == ["output 'b' is there but was not in the writer"]


def test_another_kind_of_object_names_its_outputs_by_nature() -> None:
    ours = Draft(outputs={"0": np.ones((2, 3), "float32"), "1": np.zeros(2, "int32")})
    theirs = Draft(kind="module", outputs={"ids": np.zeros(2, "int32"), "scores": np.ones((2, 3), "float32")})
    check = checked("outputs", ours.build(), theirs.build(), tolerance=DERIVED)
    assert check["status"] == "pass"
    assert "output '0' is called output 'scores' now" in check["detail"]


def test_measured_noise_widens_the_tolerance() -> None:
    ours, theirs = _model([1.0]), _model([1.001])
    assert _status(ours, theirs) == "fail"
    noisy = Tolerance(floor={"": 0.0006})
    check = checked("outputs", ours.build(), theirs.build(), tolerance=noisy)
    assert (check["status"], check["noise_floor"]) == ("pass", 0.0006)


def test_settings_replace_each_number_for_itself() -> None:
    assert Tolerance(rtol=0.5).limit("", precision="float32", scale=8.0).rtol == 0.5
    assert Tolerance(rtol=0.5).limit("", precision="float32", scale=8.0).atol == 8 * 16 * EPSILON["float32"]
    assert Tolerance(atol=0.0).limit("", precision="float32", scale=8.0).atol == 0.0
    assert Tolerance(rtol=0.5).limit("", precision="int32", scale=8.0).rtol == 0.0


# The kernels' share: 100 units are beyond the base tolerance (16) and within what two layers of fan-in 4096 may do.
SHARE = 100 * EPSILON["float32"]


def _wide(value: float, control: float | None = None) -> Draft:
    weights = [DraftWeight(f"{name}/kernel", np.ones((4096, 2), "float32")) for name in ("a", "b")]
    draft = _model([value], weights=weights)
    if control is not None:
        draft.control = {"outputs": {"": np.array([control], "float32")}, "renamed": [], "error": None}
    return draft


def test_kernels_share_passes_where_the_control_shows_it() -> None:
    check = checked("outputs", _wide(1.0).build(), _wide(1 + SHARE, control=1 + SHARE).build(), tolerance=DERIVED)
    assert (check["status"], check["kernels"]) == ("pass", True)
    assert check["max_ulp"] == 100
    assert "kernels of the reader" in check["detail"][0]


def test_kernels_share_is_not_granted_without_a_control() -> None:
    assert _status(_wide(1.0), _wide(1 + SHARE)) == "fail"


def test_kernels_share_is_not_granted_where_loading_lost_something() -> None:
    assert _status(_wide(1.0), _wide(1 + SHARE, control=1.0)) == "fail"


def test_kernels_share_has_an_end() -> None:
    assert _status(_wide(1.0), _wide(1.01, control=1.01)) == "fail"


def test_kernels_share_is_not_granted_over_settings() -> None:
    theirs = _wide(1 + SHARE, control=1 + SHARE)
    assert _status(_wide(1.0), theirs, Tolerance(rtol=1e-6, atol=0.0)) == "fail"
    assert _status(_wide(1.0), theirs, Tolerance(rtol=1e-6)) == "fail"


def test_kernels_share_grows_with_the_model() -> None:
    small = Draft(weights=[DraftWeight("dense/kernel", np.ones((2, 2), "float32"))]).build()
    assert kernel_units(small)("float32") == base_units("float32")
    assert kernel_units(_wide(1.0).build())("float32") == pytest.approx(8 * (4096 * 2) ** 0.5)


def _interpreted(model: list[float], read: list[float] | None, *, exact: bool) -> Draft:
    """A writer of a TFLite file: what its model gives, and what its own interpreter does."""
    outputs = None if read is None else {"": np.array(read, "float32")}
    error = {"type": "RuntimeError", "message": "no such operation"} if read is None else None
    weights = [DraftWeight("dense/kernel", np.ones((64, 2), "float32"))]
    return _model(model, weights=weights, reading={"outputs": outputs, "exact": exact, "error": error})


def _by_interpreter(values: list[float]) -> Draft:
    return Draft(kind="signature", outputs={"": np.array(values, "float32")})


def test_an_interpreter_has_the_share_of_other_kernels_without_a_control() -> None:
    near = 1.0 + 40 * EPSILON["float32"]
    assert _status(_model([1.0]), _by_interpreter([near])) == "fail"
    ours = _interpreted([1.0], [1.0], exact=True)
    assert _status(ours, _by_interpreter([near])) == "pass"
    # What the conversion lost is lost, even where every interpreter agrees on it.
    assert _status(_interpreted([1.0], [1.5], exact=True), _by_interpreter([1.5])) == "fail"


def test_a_quantized_model_is_compared_with_what_its_writer_reads_back() -> None:
    ours = _interpreted([1.0, 2.0], [1.01, 1.99], exact=False)
    same = checked("outputs", ours.build(), _by_interpreter([1.01, 1.99]).build(), tolerance=DERIVED)
    assert (same["status"], same["max_abs"]) == ("pass", 0.0)
    assert same["conversion"] == pytest.approx(0.01, rel=1e-4)
    assert same["detail"] == ["the conversion itself moved the outputs by up to 0.01"]
    # Another interpreter may take the neighbouring step, but no more.
    assert _status(ours, _by_interpreter([1.02, 1.98])) == "pass"
    assert _status(ours, _by_interpreter([1.05, 1.99])) == "fail"
    # Where the conversion changed nothing, nothing is granted for it.
    assert _status(_interpreted([1.0, 2.0], [1.0, 2.0], exact=False), _by_interpreter([1.01, 2.0])) == "fail"


def test_a_quantized_model_that_its_own_writer_cannot_read_has_no_reference() -> None:
    check = checked(
        "outputs", _interpreted([1.0], None, exact=False).build(), _by_interpreter([1.0]).build(), tolerance=DERIVED
    )
    assert check["status"] == "not-applicable"
    assert "RuntimeError" in str(check)
