from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tfmatrix.checks.distance import CHUNK, Distance, distance, number, scale_of, ulp_distance
from tfmatrix.checks.observation import Array
from tfmatrix.checks.tolerance import Limit

FLOATS = ["float16", "float32", "float64"]


def _array(values: object, dtype: str = "float32") -> Array:
    return Array(dtype=dtype, stored=np.array(values, dtype))


def _ulps(a: float, b: float, dtype: str) -> int:
    return int(ulp_distance(np.array([a], dtype), np.array([b], dtype))[0])


@pytest.mark.parametrize("dtype", FLOATS)
def test_ulp_distance_at_the_edges(dtype: str) -> None:
    info = np.finfo(dtype)
    tiny, largest = info.smallest_subnormal, info.max
    assert _ulps(1.0, np.nextafter(info.dtype.type(1), info.dtype.type(2)), dtype) == 1
    assert _ulps(0.0, -0.0, dtype) == 0
    assert _ulps(0.0, tiny, dtype) == 1
    assert _ulps(-tiny, tiny, dtype) == 2
    assert _ulps(largest, np.inf, dtype) == 1
    assert _ulps(np.inf, np.inf, dtype) == 0
    # From -inf to inf: every finite number but one of the zeros lies between.
    finite_or_infinite = 2 * (1 << (info.bits - 1)) - 2 * (1 << info.nmant)
    assert _ulps(-np.inf, np.inf, dtype) == finite_or_infinite


def test_ulp_distance_of_bfloat16_counts_bfloat16() -> None:
    one, next_one = np.array([0x3F80], "uint16"), np.array([0x3F81], "uint16")
    assert int(ulp_distance(one, next_one)[0]) == 1
    assert int(ulp_distance(one, one | np.uint16(0x8000))[0]) == 2 * 0x3F80
    figures = distance(Array(dtype="bfloat16", stored=one), Array(dtype="bfloat16", stored=next_one))
    assert (figures.max_ulp, figures.max_abs) == (1, 2.0**-7)


@given(data=st.data(), dtype=st.sampled_from(FLOATS))
def test_ulp_distance_is_a_metric_that_counts_nextafter(data: st.DataObject, dtype: str) -> None:
    width = np.finfo(dtype).bits
    numbers = st.floats(width=width, allow_nan=False)
    a, b, c = (data.draw(numbers) for _ in range(3))
    assert _ulps(a, b, dtype) == _ulps(b, a, dtype)
    assert (_ulps(a, b, dtype) == 0) == (a == b)
    assert _ulps(a, c, dtype) <= _ulps(a, b, dtype) + _ulps(b, c, dtype)
    low, high = sorted([np.array(a, dtype), np.array(b, dtype)])
    if low < high:
        step = np.nextafter(low, np.array(np.inf, dtype))
        assert _ulps(float(low), float(step), dtype) == 1
        assert _ulps(float(step), float(high), dtype) == _ulps(float(low), float(high), dtype) - 1


@given(values=arrays.arrays(st.sampled_from(FLOATS), arrays.array_shapes(max_dims=3)))
def test_an_array_is_no_distance_from_itself(values: np.ndarray) -> None:
    array = Array(dtype=values.dtype.name, stored=values)
    assert distance(array, Array(dtype=values.dtype.name, stored=values.copy())) == Distance(elements=values.size)


def test_figures_are_exact() -> None:
    figures = distance(_array([[1.0, 2.0], [3.0, 4.0]]), _array([[1.0, 2.5], [3.0, 3.0]]))
    assert figures == Distance(
        elements=4, unequal=2, beyond=2, max_abs=1.0, max_rel=0.25, max_ulp=1 << 22, argmax_flips=1
    )


def test_relative_figure_stays_finite_where_the_reference_is_zero() -> None:
    assert distance(_array([0.0]), _array([1e-9])).max_rel == 1.0


def test_nan_positions_must_agree() -> None:
    agree = distance(_array([np.nan, 1.0]), _array([np.nan, 1.0]))
    assert agree.beyond == 0
    figures = distance(_array([np.nan, 1.0, 2.0]), _array([1.0, np.nan, 2.0]), Limit(rtol=1.0, atol=1.0))
    assert (figures.nan_mismatches, figures.beyond, figures.max_abs) == (2, 2, 0.0)


def test_nans_of_another_payload_are_equal_values() -> None:
    other = np.array([0x7FC00001], "uint32").view("float32")
    assert distance(_array([np.nan]), Array(dtype="float32", stored=other)).unequal == 0


@pytest.mark.parametrize(("a", "b"), [(np.inf, 1.0), (1.0, np.inf), (np.inf, -np.inf)])
def test_infinity_is_beyond_every_tolerance(a: float, b: float) -> None:
    figures = distance(_array([a]), _array([b]), Limit(rtol=1e9, atol=1e9))
    assert (figures.beyond, figures.max_abs, figures.max_rel) == (1, np.inf, np.inf)


def test_float64_overflow_is_beyond() -> None:
    a, b = _array([1.7e308], "float64"), _array([-1.7e308], "float64")
    assert distance(a, b, Limit(rtol=0.5, atol=0.0)).beyond == 1


def test_limit_is_absolute_plus_relative_to_the_reference() -> None:
    limit = Limit(rtol=0.1, atol=1.0)
    assert distance(_array([100.0, 100.0]), _array([110.9, 111.1]), limit).beyond == 1


def test_integers_are_exact_to_the_last() -> None:
    figures = distance(_array([2**63 - 1, 5], "int64"), _array([-(2**63), 5], "int64"))
    assert (figures.beyond, figures.max_ulp) == (1, 2**64 - 1)
    figures = distance(_array([2**53], "int64"), _array([2**53 + 1], "int64"), Limit(rtol=1.0, atol=1.0))
    assert (figures.beyond, figures.max_ulp) == (1, 1)


def test_booleans_and_strings_are_equal_or_not() -> None:
    assert distance(_array([True, False], "bool"), _array([True, True], "bool")).beyond == 1
    a, b = (np.array(texts, dtype=object) for texts in ([b"a", b"b"], [b"a", b"c"]))
    assert distance(Array(dtype="string", stored=a), Array(dtype="string", stored=b)).beyond == 1


def test_complex_numbers_are_compared_by_part() -> None:
    figures = distance(_array([1 + 2j], "complex64"), _array([1 + 2.5j], "complex64"))
    assert (figures.max_abs, figures.beyond) == (0.5, 1)


def test_argmax_flips_count_rows_of_tensors_with_rows() -> None:
    assert distance(_array([1.0, 2.0]), _array([2.0, 1.0])).argmax_flips == 0
    assert distance(_array([[1.0], [2.0]]), _array([[2.0], [1.0]])).argmax_flips == 0
    assert distance(_array([[1.0, 2.0]] * 3), _array([[1.0, 2.0], [2.0, 1.0], [2.0, 1.0]])).argmax_flips == 2


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="against"):
        distance(_array([1.0]), _array([1.0, 2.0]))


def test_chunks_add_up() -> None:
    a = np.zeros(2 * CHUNK + 3, "float32")
    b = a.copy()
    b[[0, CHUNK, -1]] = [1.0, 3.0, 2.0]
    figures = distance(Array(dtype="float32", stored=a), Array(dtype="float32", stored=b), Limit(rtol=0.0, atol=1.5))
    assert (figures.elements, figures.unequal, figures.beyond, figures.max_abs) == (a.size, 3, 2, 3.0)
    assert scale_of(Array(dtype="float32", stored=b)) == 3.0


def test_scale_ignores_what_is_not_finite() -> None:
    assert scale_of(_array([np.nan, -np.inf, -2.0])) == 2.0
    assert scale_of(_array([])) == 0.0
    assert scale_of(_array([-(2**63)], "int64")) == 2.0**63


def test_figures_are_json() -> None:
    assert [number(value) for value in (1, 0.5, np.inf, -np.inf, np.nan)] == [1, 0.5, "inf", "-inf", "nan"]
