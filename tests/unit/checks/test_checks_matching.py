from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from observation_builder import Draft, DraftWeight, checked, trained
from tfmatrix.checks.matching import match


def _model(*weights: tuple[str, object]) -> Draft:
    return Draft(weights=[DraftWeight(path, np.array(values, "float32")) for path, values in weights])


def _names(ours: Draft, theirs: Draft) -> dict[str, str]:
    matching = match(ours.build(), theirs.build())
    return {pair.writer.path: pair.reader.path for pair in matching.pairs}


def test_keras_2_and_3_names_are_the_same_variables() -> None:
    ours = _model(("dense/kernel:0", [[1, 2]]), ("dense/bias:0", [0, 0]))
    theirs = _model(("sequential/dense/kernel", [[1, 2]]), ("sequential/dense/bias", [0, 0]))
    matching = match(ours.build(), theirs.build())
    assert len(matching.pairs) == 2
    assert not matching.renamed


def test_counters_below_a_layer_depend_on_the_process() -> None:
    ours = _model(("lstm/lstm_cell/kernel", [1]), ("lstm_1/lstm_cell_1/kernel", [2]))
    theirs = _model(("lstm/lstm_cell_7/kernel", [1]), ("lstm_1/lstm_cell/kernel", [2]))
    matching = match(ours.build(), theirs.build())
    assert _names(ours, theirs) == {
        "lstm/lstm_cell/kernel": "lstm/lstm_cell_7/kernel",
        "lstm_1/lstm_cell_1/kernel": "lstm_1/lstm_cell/kernel",
    }
    assert not matching.renamed


def test_names_that_agree_by_accident_do_not_decide() -> None:
    ours = _model(("dense/kernel", [1]), ("dense_1/kernel", [2]))
    theirs = _model(("dense_1/kernel", [1]), ("dense_2/kernel", [2]))
    assert _names(ours, theirs) == {"dense/kernel": "dense_1/kernel", "dense_1/kernel": "dense_2/kernel"}
    check = checked("weights", ours.build(), theirs.build())
    assert (check["status"], check["renamed"]) == ("pass", 2)
    assert "dense/kernel is now called dense_1/kernel" in check["detail"]


def test_keras_3_names_the_variables_of_a_savedmodel_in_one_part() -> None:
    # functional_two_outputs/savedmodel-tfsm/2.15.1/2.21.0
    zeros = [0.0, 0.0]
    ours = _model(("first/kernel:0", [1, 2]), ("first/bias:0", zeros), ("second/kernel:0", [3]), ("second/bias:0", [0]))
    theirs = _model(("first_bias", zeros), ("second_bias", [0]), ("first_kernel", [1, 2]), ("second_kernel", [3]))
    assert _names(ours, theirs) == {
        "first/kernel": "first_kernel",
        "first/bias": "first_bias",
        "second/kernel": "second_kernel",
        "second/bias": "second_bias",
    }
    check = checked("weights", ours.build(), theirs.build())
    assert (check["status"], check["identical"], check["renamed"]) == ("pass", 4, 0)


def test_values_do_not_override_names() -> None:
    ours = _model(("a/kernel", [1, 2]), ("b/kernel", [3, 4]))
    theirs = _model(("a/kernel", [3, 4]), ("b/kernel", [1, 2]))
    check = checked("weights", ours.build(), theirs.build())
    assert (check["status"], check["changed"]) == ("fail", 2)


def test_swapped_and_renamed_at_once_is_still_a_swap() -> None:
    ours = _model(("dense/kernel", [1, 2]), ("dense_1/kernel", [3, 4]))
    theirs = _model(("dense_5/kernel", [3, 4]), ("dense_6/kernel", [1, 2]))
    assert checked("weights", ours.build(), theirs.build())["status"] == "fail"


def test_order_of_variables_is_named_and_no_loss() -> None:
    ours = trained()
    theirs = trained()
    theirs.weights.insert(0, theirs.weights.pop())
    check = checked("weights", ours.build(), theirs.build())
    assert (check["status"], check["moved"], check["identical"]) == ("pass", 1, 10)
    assert check["detail"] == ["dense_2/bias moved from 9 to 0"]


def test_equal_biases_do_not_confuse_the_matching() -> None:
    zeros = [0.0, 0.0]
    ours = _model(("a/kernel", [1, 2]), ("a/bias", zeros), ("b/kernel", [3, 4]), ("b/bias", zeros))
    theirs = _model(("b/bias", zeros), ("b/kernel", [3, 4]), ("x/bias", zeros), ("x/kernel", [1, 2]))
    names = _names(ours, theirs)
    assert names == {"a/kernel": "x/kernel", "a/bias": "x/bias", "b/kernel": "b/kernel", "b/bias": "b/bias"}


def test_constants_of_another_role_do_not_replace_a_lost_weight() -> None:
    ours = _model(("a/kernel", [[1, 2]]), ("a/bias", [0.0, 0.0]))
    theirs = _model(("a/kernel", [[1, 2]]), ("c/counter", [0.0, 0.0]))
    check = checked("weights", ours.build(), theirs.build())
    assert (check["status"], check["missing"], check["extra"]) == ("fail", 1, 1)


def test_raw_variables_of_one_name_go_by_their_values() -> None:
    ours = _model(("Variable", [1.0]), ("Variable", [2.0]))
    theirs = _model(("Variable", [2.0]), ("Variable", [1.0]))
    check = checked("weights", ours.build(), theirs.build())
    assert (check["status"], check["moved"]) == ("pass", 1)


def test_a_changed_variable_among_several_of_one_name_is_found() -> None:
    ours = _model(("Variable", [1.0]), ("Variable", [2.0]))
    theirs = _model(("Variable", [1.0]), ("Variable", [5.0]))
    check = checked("weights", ours.build(), theirs.build())
    assert (check["status"], check["changed"], check["identical"]) == ("fail", 1, 1)


def test_positions_instead_of_names_go_by_values() -> None:
    ours = trained()
    theirs = trained()
    for index, weight in enumerate(reversed(theirs.weights)):
        weight.path = f"_variables/{index}"
    theirs.weights.reverse()
    check = checked("weights", ours.build(), theirs.build())
    assert (check["status"], check["identical"], check["renamed"], check["anonymous"]) == ("pass", 10, 0, 10)
    assert check["detail"] == ["10 variables have no names there; they were found by their values"]


def test_copies_in_a_function_graph_are_no_loss() -> None:
    ours = trained()
    theirs = Draft(kind="module")
    for name in ("_all_variables", "trainable_variables"):
        theirs.weights += [DraftWeight(f"{name}/{index}", item.values) for index, item in enumerate(ours.weights)]
    check = checked("weights", ours.build(), theirs.build())
    assert (check["status"], check["identical"], check["extra"]) == ("pass", 10, 10)


def test_shape_of_a_known_path_may_change() -> None:
    check = checked("weights", _model(("a/kernel", [1, 2])).build(), _model(("a/kernel", [1, 2, 3])).build())
    assert (check["status"], check["shape_changed"], check["missing"]) == ("fail", 1, 0)


@given(order=st.permutations(range(10)))
def test_every_order_is_matched_by_path(order: list[int]) -> None:
    theirs = trained()
    theirs.weights = [theirs.weights[index] for index in order]
    matching = match(trained().build(), theirs.build())
    assert all(pair.writer.path == pair.reader.path for pair in matching.pairs)
    assert len(matching.pairs) == 10
    assert (matching.moved == ()) == (order == sorted(order))


@given(names=st.lists(st.text("abc", min_size=1, max_size=3), min_size=4, max_size=4, unique=True))
def test_renamed_layers_are_renamed_and_not_lost(names: list[str]) -> None:
    theirs = trained()
    new = dict(zip(["dense", "batch_normalization", "dense_1", "dense_2"], names, strict=True))
    for weight in theirs.weights:
        layer, _, role = weight.path.partition("/")
        weight.path = f"{new[layer]}/{role}"
    check = checked("weights", trained().build(), theirs.build())
    assert (check["status"], check["identical"], check["renamed"]) == ("pass", 10, 10)


def test_numbers_of_the_matching_are_one_to_one() -> None:
    theirs = trained()
    theirs.weights = theirs.weights[2:]
    matching = match(trained().build(), theirs.build())
    assert len({pair.reader.index for pair in matching.pairs}) == len(matching.pairs) == 8
    assert [variable.path for variable in matching.missing] == ["dense/kernel", "dense/bias"]
