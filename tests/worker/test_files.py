"""A model file's inputs: which are drawn for it, and on which it says something. Pure parts, without TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tfmatrix.worker.files import inputs, neutral
from tfmatrix.worker.files.inputs import InputsError, Spec, generated, says_nothing
from tfmatrix.worker.observe import calls

OPEN = ([Spec("x", "float32", (None, None, 4))], None)
FIXED = ([Spec("x", "float32", (None, 4))], None)


@pytest.fixture(autouse=True)
def numpy_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "_numpy_dtype", np.dtype)


def drawn(specs: Any, model: Any) -> tuple[Any, list[dict[str, Any]]]:
    found: tuple[Any, list[dict[str, Any]]] = generated(None, "module", specs, 0, lambda x: [("", model(x))])
    return found


@pytest.mark.parametrize(("crop", "taken"), [(0, 16), (20, 64), (5000, 16384)])
def test_sizes_grow_until_the_output_is_not_empty(crop: int, taken: int) -> None:
    value, described = drawn(OPEN, lambda x: x[:, crop : x.shape[1] - crop])
    rows = 8 if taken < inputs.LONG else inputs.FEW_ROWS
    assert value.shape == (rows, taken, 4)
    assert described == [{"name": "x", "dtype": "float32", "shape": [rows, taken, 4], "values": "uniform in [0, 1)"}]


def test_a_size_that_raises_is_passed_over() -> None:
    def model(x: Any) -> Any:
        if x.shape[1] < 100:
            raise ValueError("too short")
        return x

    assert drawn(OPEN, model)[0].shape == (8, 224, 4)


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (lambda x: np.maximum(x - 1, 0), "uniform in [-3, 3)"),
        (lambda x: np.maximum(x - 5, 0), "uniform in [0, 256)"),
        (lambda x: np.where(x > 1, x, np.nan) if x.max() < 5 else x, "uniform in [0, 256)"),
    ],
)
def test_another_range_is_tried_where_the_output_is_constant_or_not_finite(model: Any, values: str) -> None:
    value, described = drawn(FIXED, model)
    assert described[0]["values"] == values
    assert value.dtype == "float32"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda x: x[:0], "the output is empty, of shape [0, 4]"),
        (lambda x: x * np.nan, "the output holds values that are not finite"),
        (lambda x: x * 0 + 0.5, "the output is the same everywhere: 0.5"),
    ],
)
def test_what_says_nothing_on_any_input_is_refused_and_asked_for(model: Any, said: str) -> None:
    with pytest.raises(InputsError, match="give inputs on which it says something") as found:
        drawn(FIXED, model)
    assert said in str(found.value)


def test_one_output_that_says_something_is_enough_and_integers_may_be_constant() -> None:
    ones = ("ones", np.ones((2, 2), "float32"))
    assert says_nothing([ones]) == "the output ones is the same everywhere: 1.0"
    assert not says_nothing([ones], is_constant_nothing=False)
    assert not says_nothing([ones, ("rest", np.arange(4.0))])
    assert not says_nothing([("class", np.zeros(8, "int64"))])
    assert not says_nothing([("score", np.array([0.5], "float32"))])
    assert says_nothing([]) == "it has no outputs"


class LoadedSequential:
    """As Keras 3.0 to 3.5 load one: `inputs` is there, `input` raises (measured with 3.4.1)."""

    inputs = None

    @property
    def input(self) -> Any:
        raise ValueError("The layer sequential has never been called and thus has no defined input.")


def test_a_sequential_whose_input_is_not_defined_has_none() -> None:
    assert calls.attribute(LoadedSequential(), "input") is None
    assert calls.interface(LoadedSequential()) == {"inputs": None, "outputs": None}


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("mae", "mae"),
        ({"wrapped": "mean_absolute_error", "name": "value_mae"}, {"wrapped": "mean_absolute_error", "name": "mae"}),
        ({"wrapped": "mse", "name": "value_mse"}, "mse"),
        (
            {"class_name": "AUC", "config": {"name": "value_auc", "curve": "PR"}},
            {"class_name": "AUC", "config": {"name": "auc", "curve": "PR"}},
        ),
        ([{"wrapped": "mse", "name": "other"}], [{"wrapped": "mse", "name": "other"}]),
    ],
)
def test_a_metric_of_one_of_several_outputs_has_the_name_that_it_was_given(
    monkeypatch: pytest.MonkeyPatch, written: Any, given: Any
) -> None:
    """Keras 2 renames the object when it trains, and would rename it once more where it is built again."""
    monkeypatch.setattr(neutral, "versions", lambda: {"keras": "2.15.0"})
    monkeypatch.setattr(neutral, "serialized", lambda value: value)
    assert neutral._metrics({"value": written}, ["value", "label"]) == {"value": given}
    assert neutral._metrics([["mae"], [written]], ["label", "value"]) == [["mae"], [given]]
    monkeypatch.setattr(neutral, "versions", lambda: {"keras": "3.13.2"})
    assert neutral._metrics({"value": written}, ["value", "label"]) == {"value": written}


BYTECODE = ["4wEAAAAAAAAA", None, None]


@pytest.mark.parametrize("function", [BYTECODE, {"class_name": "__lambda__", "config": {"code": "4wEA"}}])
@pytest.mark.parametrize("name", ["squares", "lambda_1_function"])
def test_a_neutral_form_names_the_function_of_a_lambda_in_place_of_its_code(function: Any, name: str) -> None:
    inner = {"class_name": "Lambda", "config": {"name": "lambda_1", "function": function, "function_type": "lambda"}}
    other = {"class_name": "Lambda", "config": {"name": "a", "function": "relu", "function_type": "function"}}
    whole = {"class_name": "Functional", "config": {"layers": [inner, other]}}
    found = neutral._without_code(whole, {"lambda_1": name, "a": "relu"})
    assert "4wEA" not in str(found)
    assert list(neutral.named_functions(found)) == [("lambda_1", name)]
    assert found["config"]["layers"][1] == other
    assert whole["config"]["layers"][0]["config"]["function"] == function, "what is given is not changed"
