"""The observer: pure parts on the host, and what it sees of real models in real environments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tfmatrix.worker.declared import version
from tfmatrix.worker.observe import Observation, calls, config, layers, optimizer, paired, training
from tfmatrix.worker.observe.arrays import Arrays, Reference, flatten
from tfmatrix.worker.observe.plain import plain

SLOTS = {
    "Adam": {"momentum", "velocity"},
    "SGD": {"momentum"},
    "RMSprop": {"velocity"},
    "Adagrad": {"accumulator"},
    "Nadam": {"momentum", "velocity"},
    "Adamax": {"m", "u"},
    "Adadelta": {"accumulated_grad", "accumulated_delta_var"},
    "Ftrl": {"accumulator", "linear"},
}


def test_plain_is_strict_json():
    value = {
        "nan": float("nan"),
        "inf": -np.inf,
        "numbers": (np.float32(0.5), np.int64(3), np.bool_(True), True, None),
        "bytes": b"\x00",
        "set": {"b", "a"},
        "array": np.arange(3),
        "large": np.zeros(100),
        "class": dict,
        "function": plain,
        "object": object(),
        5: np.dtype("float16"),
    }
    found = plain(value)
    json.dumps(found, allow_nan=False)
    assert found["nan"] == "nan"
    assert found["inf"] == "-inf"
    assert found["numbers"] == [0.5, 3, True, True, None]
    assert found["set"] == ["a", "b"]
    assert found["array"] == [0, 1, 2]
    assert found["large"]["shape"] == [100]
    assert found["class"] == "<class dict>"
    assert found["function"] == "<function plain>"
    assert found["object"] == "<object object>"
    assert found["5"] == "float16"


def test_plain_ends_where_a_value_holds_itself():
    value: list[Any] = []
    value.append(value)
    json.dumps(plain(value))


def test_flatten_names_every_leaf():
    structure = {"b": [1, (2, None)], "a": {"x": 3}}
    assert list(flatten(structure)) == [("a/x", 3), ("b/0", 1), ("b/1/0", 2)]
    assert list(flatten(7)) == [("", 7)]


def test_arrays_come_back_with_their_bits(tmp_path: Path):
    arrays = Arrays()
    source = np.array([1.0, -0.0, np.nan], dtype=np.float32)
    refs = {"floats": arrays.add(source), "strings": arrays.add(np.array([[b"\xff", "ü"]], dtype=object))}
    source[:] = 0
    arrays.save(str(tmp_path / "arrays.npz"))
    (tmp_path / "observation.json").write_text(json.dumps({"outputs": refs}))
    reference = Reference(str(tmp_path))
    assert reference.array(refs["floats"]).view(np.uint32).tolist() == [0x3F800000, 0x80000000, 0x7FC00000]
    assert reference.array(refs["strings"]).tolist() == [[b"\xff", "ü".encode()]]
    assert refs["strings"]["dtype"] == "string"


def test_an_observation_of_nothing_is_complete(tmp_path: Path):
    observation = Observation("keras")
    observation.absent("outputs", "never called")
    observation.section("weights", lambda: 1 / 0)
    observation.write(str(tmp_path))
    found = json.loads((tmp_path / "observation.json").read_text())
    assert found["schema"] == 1
    assert found["outputs"] is None
    assert found["notes"] == {"outputs": "never called"}
    assert found["weights"] == {"error": {"type": "ZeroDivisionError", "message": "division by zero"}}
    assert observation.errors() == {"weights": found["weights"]["error"]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("mse", "mean_squared_error"),
        ("MSE", "mean_squared_error"),
        ("sparse_categorical_crossentropy", "sparse_categorical_crossentropy"),
        (["mae", None], ["mean_absolute_error", None]),
        ({"a": "mae"}, {"a": "mean_absolute_error"}),
        (np.mean, "mean"),
        ({"class_name": "Huber", "config": {"delta": 0.5, "name": "huber_loss", "reduction": "auto"}},
         {"name": "huber", "config": {"delta": 0.5}}),
        ({"class_name": "MeanMetricWrapper", "config": {"fn": "binary_accuracy", "name": "accuracy", "dtype": "x"}},
         "accuracy"),
        ({"class_name": "MeanMetricWrapper", "config": {"fn": "binary_accuracy", "name": "binary_accuracy"}},
         "binary_accuracy"),
        ({"class_name": "BinaryCrossentropy", "config": {"from_logits": True, "axis": -1, "label_smoothing": 0.0}},
         {"name": "binary_crossentropy", "config": {"from_logits": True}}),
    ],
)  # fmt: skip
def test_losses_and_metrics_are_named_by_meaning(given: Any, expected: Any):
    assert config.function_json(given) == expected


def test_configs_lose_presentation_only():
    keras_3 = {
        "module": "keras.initializers",
        "class_name": "Zeros",
        "config": {"dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}}},
        "registered_name": None,
    }
    assert config.normalised(keras_3) == config.normalised({"class_name": "Zeros", "config": {}})
    assert config.normalised({"class_name": "function", "config": "relu", "module": "builtins"}) == "relu"
    assert config.normalised({"class_name": "DTypePolicy", "config": {"name": "mixed_float16"}}) == "mixed_float16"
    l2 = {"class_name": "L2", "config": {"l2": 0.5}}
    assert config.normalised(l2) != config.normalised({"class_name": "L2", "config": {"l2": 0.25}})


class Variable:
    def __init__(self, *shape: int | None) -> None:
        self.shape = shape


def weight(path: str, *shape: int | None) -> layers.Weight:
    layer, _, role = path.rpartition("/")
    return layers.Weight(path, layer, role, Variable(*shape), True, True)


def entry(path: str, *shape: int) -> dict[str, Any]:
    return {"path": path, "array": {"shape": list(shape)}}


@pytest.mark.parametrize(
    ("writer", "expected"),
    [
        ([entry("a/w", 4), entry("b/kernel", 4, 1)], [("b/kernel", "b/kernel"), ("a/w", "a/w")]),
        ([entry("c/kernel", 4, 1), entry("a/w", 4)], [("b/kernel", "c/kernel"), ("a/w", "a/w")]),
    ],
)
def test_a_control_gets_its_weights_by_path_or_else_in_order(writer: Any, expected: Any):
    here = [weight("b/kernel", 4, 1), weight("a/w", 4)]
    assert [(mine.path, theirs["path"]) for mine, theirs in paired(here, writer)] == expected


def test_a_variable_that_grows_takes_values_of_any_length():
    here = [weight("a/summary", 2, None)]
    assert len(paired(here, [entry("a/summary", 2, 40)])) == 1
    for shape in ((3, 40), (2,)):
        with pytest.raises(ValueError, match="other weights"):
            paired(here, [entry("a/summary", *shape)])


@pytest.mark.parametrize("writer", [[entry("b/kernel", 4, 1)], [entry("b/kernel", 4, 2), entry("a/w", 4)]])
def test_a_control_of_another_shape_is_refused(writer: Any):
    with pytest.raises(ValueError, match="other weights"):
        paired([weight("b/kernel", 4, 1), weight("a/w", 4)], writer)


def reference(paths: list[str], names: list[str] | None = None, inputs: list[str] | None = None) -> dict[str, Any]:
    return {"outputs": dict.fromkeys(paths), "interface": {"inputs": inputs, "outputs": names}}


@pytest.mark.parametrize(
    ("named", "writer", "expected"),
    [
        ({"dense": 1}, None, [("", 1)]),
        ({"dense": 1}, reference([""]), [("", 1)]),
        ({"dense": 1}, reference(["only"]), [("only", 1)]),
        ({"b": 2, "a": 1}, reference(["b", "a"]), [("b", 2), ("a", 1)]),
        ({"second": 2, "first": 1}, reference(["0", "1"], ["first", "second"]), [("0", 1), ("1", 2)]),
        ({f"output_{i}": i for i in (10, 2, 0)}, reference(["0", "1", "2"]), [("0", 0), ("1", 2), ("2", 10)]),
        ({"x": 1, "y": 2}, reference(["0", "1"], ["p", "q"]), [("x", 1), ("y", 2)]),
        ({"x": 1, "y": 2}, reference(["0"]), [("x", 1), ("y", 2)]),
        ({"x": 1}, {"outputs": {"error": {}}, "interface": None}, [("", 1)]),
    ],
)
def test_outputs_of_a_signature_get_the_writers_paths(named: dict[str, Any], writer: Any, expected: Any):
    assert calls.in_writers_terms(list(named.items()), writer) == expected


@pytest.fixture
def trips(experiment: Any) -> Any:
    return experiment("round_trips")


@pytest.fixture
def keras(probed: dict[str, Any]) -> tuple[int, ...]:
    return version(probed["versions"]["keras"])


@pytest.mark.real
def test_the_same_model_gives_the_same_bytes(experiment: Any):
    assert experiment("same_bytes") is True


@pytest.mark.real
def test_every_scenario_is_observed_whole(trips: dict[str, Any]):
    for cell, found in trips.items():
        if "writer" not in found:
            continue
        writer = found["writer"]
        errors = {name for name, value in writer.items() if isinstance(value, dict) and "error" in value}
        # resume has its own "error", which is null.
        assert errors <= {"resume"}, cell
        if writer["resume"] is None:
            assert writer["kind"] == "module" or "resume" in writer["notes"], cell
            continue
        assert writer["resume"]["error"] is None, cell
        assert writer["resume"]["fresh"]["error"] is None, cell
        assert len(writer["resume"]["losses"]) == 3, cell
        assert writer["optimizer"]["iterations"] == 3, cell


@pytest.mark.real
def test_a_fresh_optimizer_is_told_from_one_that_goes_on(trips: dict[str, Any]):
    # SGD without momentum has no state to lose.
    for cell, found in trips.items():
        if cell.startswith(("dense/", "tf_module/")) or "writer" not in found:
            continue
        resume = found["writer"]["resume"]
        assert resume["losses"][0] == resume["fresh"]["losses"][0], cell
        assert resume["losses"][1:] != resume["fresh"]["losses"][1:], cell
        assert resume["weights_after"] != resume["fresh"]["weights_after"], cell


@pytest.mark.real
@pytest.mark.parametrize("name", ["optimizer_state", "dropout", "frozen_layer", "lstm", "conv_batchnorm", "embedding"])
def test_a_whole_model_read_where_it_was_written_is_the_same(name: str, trips: dict[str, Any]):
    found = trips[f"{name}/keras"]
    writer, reader = found["writer"], found["reader"]
    for section in ("outputs", "weights", "config", "compile", "optimizer"):
        assert reader[section] == writer[section], section
    for figure in ("losses", "metrics", "weights_after"):
        assert reader["resume"][figure] == writer["resume"][figure]


@pytest.mark.real
def test_a_control_gives_the_writers_outputs_whatever_was_loaded(trips: dict[str, Any]):
    for cell, found in trips.items():
        if "reader" in found:
            control = found["reader"]["control"]
            assert control["error"] is None, cell
            assert control["outputs"] == found["writer"]["outputs"], cell
            assert control["renamed"] == [], cell


@pytest.mark.real
def test_keras_3_loses_a_raw_variable_and_keras_2_keeps_it(trips: dict[str, Any], keras: tuple[int, ...]):
    found = trips["custom_layer_raw_variable/keras"]
    if keras < (2, 11):
        assert found["save"].startswith("NotImplementedError")
        return
    writer, reader = found["writer"], found["reader"]
    entries = {entry["path"]: entry for entry in writer["weights"]}
    assert entries["my_custom_layer/w"]["tracked"] is (keras < (3,))
    assert (reader["outputs"] == writer["outputs"]) is (keras < (3,))
    if keras >= (3,):
        assert writer["notes"]["weights"] == "untracked by Keras: my_custom_layer/w"
        assert [entry["path"] for entry in writer["weights"]][-1] == "my_custom_layer/w"


@pytest.mark.real
def test_a_loss_that_lost_its_argument_is_seen(trips: dict[str, Any], keras: tuple[int, ...]):
    # https://github.com/keras-team/keras/pull/23286: Keras 3 has long left delta out of Huber's get_config.
    found = trips["compile_arguments/keras"]
    assert found["writer"]["compile"]["loss"] == {"name": "huber", "config": {"delta": 0.5}}
    kept = found["reader"]["compile"]["loss"] == found["writer"]["compile"]["loss"]
    assert (found["reader"]["resume"]["losses"] == found["writer"]["resume"]["losses"]) is kept
    assert kept or keras >= (3,)


@pytest.mark.real
def test_keras_2_loses_the_optimizer_in_a_savedmodel(trips: dict[str, Any]):
    found = trips["optimizer_state/savedmodel"]
    if "unsupported" in found:
        pytest.skip(found["unsupported"])
    writer, reader = found["writer"], found["reader"]
    assert reader["weights"] == writer["weights"]
    assert reader["optimizer"]["iterations"] == 0
    assert reader["resume"]["losses"] == writer["resume"]["fresh"]["losses"]
    assert reader["resume"]["losses"] != writer["resume"]["losses"]


@pytest.mark.real
def test_slots_are_named_by_meaning_and_belong_to_trained_weights(experiment: Any, keras: tuple[int, ...]):
    for name, found in experiment("optimizers").items():
        place, optimizer = name.split("/")
        seen = found["optimizer"]
        assert seen["class"] == optimizer
        assert seen["implementation"] == _implementation(place, keras), name
        assert seen["iterations"] == 1
        assert {entry["slot"] for entry in seen["slots"]} == SLOTS[optimizer], name
        # Weights 0 and 1 are of the frozen layer.
        assert {entry["variable"] for entry in seen["slots"]} == {2, 3}, name
        for entry in seen["slots"]:
            weight = found["weights"][entry["variable"]]
            assert np.shape(entry["array"]) == np.shape(weight["array"])
            assert entry["path"] == weight["path"]
        assert ("u_product" in seen["state"]) is (optimizer == "Nadam")
        assert found["resume"]["fresh"]["error"] is None, name


@pytest.mark.real
def test_momentum_is_the_gradient_and_not_another_slot(experiment: Any):
    found = experiment("optimizers")
    for name in {"current/Adam", "legacy/Adam"} & set(found):
        seen = found[name]["optimizer"]["slots"]
        slots = {(entry["slot"], entry["path"]): np.array(entry["array"]) for entry in seen}
        momentum, velocity = slots["momentum", "dense_1/bias"], slots["velocity", "dense_1/bias"]
        gradient = momentum / 0.1
        assert velocity == pytest.approx(0.001 * gradient**2, rel=1e-4)


def _implementation(place: str, keras: tuple[int, ...]) -> str:
    if place == "legacy" or keras < (2, 11):
        return "legacy"
    return "keras2" if keras < (3,) else "keras3"


@pytest.mark.real
def test_a_loss_scale_is_unwrapped(experiment: Any):
    found = experiment("loss_scale")
    assert found["optimizer"]["class"] == "LossScaleOptimizer(Adam)"
    assert found["optimizer"]["iterations"] == 2
    assert found["optimizer"]["state"] == {"loss_scale": 32768.0, "good_steps": 2.0}
    assert len(found["optimizer"]["slots"]) == 4
    assert found["config"]["dtype_policies"]["dense"] == "mixed_float16"
    assert found["resume"]["fresh"]["error"] is None


@pytest.mark.real
def test_variables_of_a_custom_layer_are_found_by_their_attribute(experiment: Any, keras: tuple[int, ...]):
    found = experiment("custom_layer")
    entries = {entry["path"]: entry for entry in found["weights"]}
    assert set(entries) == {
        "no_config/several/0",
        "no_config/several/1",
        "no_config/named/inner",
        "dense/kernel",
        "dense/bias",
    }
    assert entries["no_config/named/inner"]["array"] == 4.0
    assert entries["no_config/several/1"]["trainable"] is False
    assert {entry["tracked"] for path, entry in entries.items() if path.startswith("no_config")} == {keras < (3,)}


@pytest.mark.real
def test_a_get_config_that_raises_is_null_with_a_note(experiment: Any):
    found = experiment("custom_layer")
    configs = {entry["path"]: entry["config"] for entry in found["config"]["layers"]}
    assert configs["no_config"] is None
    assert configs["dense"]["units"] == 1
    assert found["notes"]["config/no_config"] == "get_config: NotImplementedError: no config"


@pytest.mark.real
def test_compile_says_what_was_meant(experiment: Any):
    found = experiment("compiled")
    assert found["strings"] == found["objects"] == found["functions"]
    assert found["strings"]["loss"] == "mean_squared_error"
    assert found["strings"]["metrics"] == ["mean_absolute_error", "accuracy"]
    assert found["strings"]["optimizer"] == "SGD"
    assert found["strings"]["hyperparameters"]["learning_rate"] == 0.25
    assert found["huber"]["loss"] == {"name": "huber", "config": {"delta": 0.25}}
    assert found["none"]["loss"] is None


@pytest.mark.real
def test_what_raises_is_a_finding_of_its_section(experiment: Any):
    found = experiment("broken_calls")
    assert "cannot be called" in found["outputs"]["error"]["message"]
    assert "cannot be called" in found["resume"]["error"]["message"]
    assert found["resume"]["losses"] == []
    assert found["control"]["error"]["message"].startswith(
        "rebuilt, the model has other weights: ['dense/kernel [4, 5]'"
    )
    assert {"outputs", "resume", "control"} <= set(found["errors"])


@pytest.mark.real
def test_a_reader_that_lost_compile_cannot_train(experiment: Any):
    found = experiment("uncompiled")
    for side in found.values():
        assert (side["compile"], side["optimizer"]) == (None, None)
        assert side["notes"]["optimizer"] == "the model is not compiled"
    assert found["writer"]["resume"] is None
    assert found["reader"]["resume"]["error"] is not None


@pytest.mark.real
def test_tensors_of_every_kind_are_stored(experiment: Any):
    found = experiment("tensors")
    assert found["dtypes"] == {
        "a": "string",
        "b/0": "bfloat16",
        "b/1/0": "int64",
        "c#values": "int32",
        "c#row_splits0": "int64",
        "d#indices": "int64",
        "d#values": "float32",
        "d#dense_shape": "int64",
        "e": "float32",
        "f": "bool",
    }
    assert found["values"]["b/0"] == "[1.5, -2.0]"
    assert found["values"]["a"] == "[b'\\xff\\x00', b'text']"


@pytest.mark.real
def test_the_example_of_the_readme_runs(experiment: Any):
    assert np.shape(experiment("readme")[""]) == (8, 3)


def test_outputs_of_an_interpreter_without_signatures_get_the_writers_paths():
    reference = {"outputs": {"0": {}, "1": {}}, "interface": {"inputs": ["x"], "outputs": ["zeta", "alpha"]}}

    def named(*names: str) -> list[tuple[str, Any]]:
        return calls.in_writers_terms([(name, name) for name in names], reference)

    assert named("Identity_1", "Identity") == [("0", "Identity"), ("1", "Identity_1")]
    # Keras 2 converts by way of a SavedModel, whose outputs are sorted by name: alpha comes first.
    assert named("StatefulPartitionedCall:0", "StatefulPartitionedCall:1") == [
        ("0", "StatefulPartitionedCall:1"),
        ("1", "StatefulPartitionedCall:0"),
    ]
    # Keras 3 names them output_0, output_1 there.
    assert named("StatefulPartitionedCall_1:1", "StatefulPartitionedCall_1:0") == [
        ("0", "StatefulPartitionedCall_1:0"),
        ("1", "StatefulPartitionedCall_1:1"),
    ]


@pytest.mark.real
def test_vocabularies_and_composite_inputs_are_observed(experiment: Any):
    found = experiment("preprocessing")
    for name, case in found.items():
        assert case["errors"] == [{}, {}], name
    assert found["text"]["reader"]["outputs"] == found["text"]["writer"]["outputs"]
    assert found["sparse"]["reader"]["outputs"] == found["sparse"]["writer"]["outputs"]
    assert list(found["ragged"]["writer"]["outputs"]) == ["#values", "#row_splits0"]
    # An exported model takes the ragged input as a dense one: two rows of two, the second padded.
    (dense,) = found["ragged"]["reader"]["outputs"].values()
    assert np.array(dense).shape == (2, 2, 2)
    assert np.array(dense)[0].tolist() == found["ragged"]["writer"]["outputs"]["#values"][:2]


@pytest.mark.real
def test_the_same_layers_put_together_in_another_way_are_told_apart(experiment: Any):
    found = experiment("wirings")
    common = {"inner": [["sum"]], "together": [["inner", "input 0"]]}
    assert found["one"] == {**common, "shared": [["input 0"], ["input 1"]], "sum": [["shared", "shared"]]}
    assert found["other"] == {**common, "shared": [["input 1"]], "sum": [["shared", "input 0"]]}


@pytest.mark.real
def test_a_metric_may_have_several_values(experiment: Any):
    history = experiment("vector_metric")
    assert [len(value) for value in history["precision"]] == [2, 2]
    assert all(isinstance(value, float) for value in history["loss"])


class _Fits:
    """A model whose fit leaves out the epochs that it was restored with, as BackupAndRestore has it."""

    def __init__(self, skipped: int) -> None:
        self.skipped, self.steps = skipped, 0

    def fit(self, x: Any, y: Any, *, epochs: int, **_: Any) -> Any:
        made = list(range(self.steps, self.steps + epochs - self.skipped))
        self.steps += len(made)
        return type("History", (), {"history": {"mae": made, "loss": made} if made else {}})()


@pytest.mark.parametrize("skipped", [0, 1, 2, 3])
def test_training_makes_the_steps_that_a_restored_model_leaves_out(skipped: int):
    model = _Fits(skipped)
    x = np.ones((2, 3), "float32")
    assert training.train(model, x, x, 3) == {"loss": [0.0, 1.0, 2.0], "mae": [0.0, 1.0, 2.0]}
    assert model.steps == 3


@pytest.mark.parametrize(
    ("given", "several", "expected"),
    [
        ({"b": ["mse"], "a": "mae"}, True, [["mae"], ["mse"]]),
        ({"b": ["mse"]}, True, [[], ["mse"]]),
        ({"b": "mse", "a": "mae"}, False, ["mae", "mse"]),
        ({"b": 0.5}, False, [None, 0.5]),
        # Not by output: as it is.
        (["mae"], True, ["mae"]),
        ({"c": "mae"}, True, {"c": "mae"}),
        ({"class_name": "MeanSquaredError"}, False, {"class_name": "MeanSquaredError"}),
        (None, True, None),
    ],
)
def test_what_is_given_by_output_is_a_list_in_the_order_of_the_outputs(given: Any, several: bool, expected: Any):
    assert config.by_output(given, ["a", "b"], several=several) == expected


def test_arrays_in_any_wrapping_are_one_config():
    class Layer:
        def __init__(self, **given: Any) -> None:
            self.given = given

        def get_config(self) -> dict[str, Any]:
            return self.given

    values = np.linspace(0, 1, 100, dtype="float64")
    wrapped = {"class_name": "__numpy__", "config": {"value": values.tolist(), "dtype": "float64"}}
    forms = (values, values.astype("float32"), values.tolist(), tuple(values), wrapped)
    found = [config.layer_config(Layer(mean=form)) for form in forms]
    assert all(each == found[0] for each in found)
    assert found[0]["mean"]["shape"] == [100]
    assert config.layer_config(Layer(mean=values + 1)) != found[0]
    words = [str(number) for number in range(100)]
    assert config.layer_config(Layer(vocabulary=words)) == {"vocabulary": words}, "what looks like a number is none"


def test_a_penalty_that_get_config_leaves_out_is_seen():
    class Penalty:
        def get_config(self) -> dict[str, Any]:
            return {"l2": 0.05}

    class Layer:
        activity_regularizer: Any = Penalty()

        def get_config(self) -> dict[str, Any]:
            return {"units": 6}

    assert config.layer_config(Layer()) == {
        "units": 6,
        "activity_regularizer": {"class_name": "Penalty", "config": {"l2": 0.05}},
    }
    Layer.activity_regularizer = None
    assert config.layer_config(Layer()) == {"units": 6}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"optimizer": None, "compiled": True}, False),
        ({"optimizer": "adam", "compiled": True}, True),
        ({"optimizer": "adam", "compiled": False}, False),
        # TensorFlow 2.0 and 2.1: a Sequential without a shape is compiled when fit knows it.
        ({"optimizer": "adam", "_is_compiled": False}, True),
        # From 2.2 on.
        ({"optimizer": "adam", "_is_compiled": False, "_get_compile_args": dict}, False),
        ({"optimizer": "adam", "_is_compiled": True, "_get_compile_args": dict}, True),
    ],
)
def test_what_is_compiled(fields: dict[str, Any], expected: bool):
    assert config.is_compiled(type("Model", (), fields)()) is expected


def test_a_state_that_is_not_taken_over_makes_no_control():
    """Nadam's product of momentums: a control without it would train as a model that lost it does."""
    with pytest.raises(ValueError, match="a state of its own: u_product"):
        optimizer.take_over(None, [], 3, {}, {"u_product": 0.9})
