"""Adapters alone, on forms as both versions of Keras write them: what each changes."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from packaging.version import Version
from tfmatrix.engine.adapters import adapt, adapters, limits, path
from tfmatrix.engine.adapters._objects import CannotAdaptError

KERAS_2, KERAS_3 = "2.15.0", "3.13.2"


def layer(class_name: str, name: str, nodes: list[Any] | None = None, **config: Any) -> dict[str, Any]:
    return {
        "module": "keras.layers",
        "class_name": class_name,
        "config": {"name": name, "trainable": True, "dtype": "float32", **config},
        "registered_name": None,
        "name": name,
        "inbound_nodes": nodes or [],
    }


def entry(name: str = "x", **config: Any) -> dict[str, Any]:
    found = layer("InputLayer", name, batch_input_shape=[None, 4], sparse=False, ragged=False, **config)
    del found["config"]["trainable"]
    return found


def model(*layers: Any, outputs: Any, name: str = "m") -> dict[str, Any]:
    inputs = [[each["name"], 0, 0] for each in layers if each["class_name"] == "InputLayer"]
    config = {
        "name": name,
        "trainable": True,
        "layers": list(layers),
        "input_layers": inputs,
        "output_layers": outputs,
    }
    return {"class_name": "Functional", "config": config}


def form(whole: Any, compiled: Any = None, assets: Any = None) -> dict[str, Any]:
    return {"schema": 1, "keras": KERAS_2, "model": whole, "compile": compiled, "assets": assets or {}, "error": None}


def up(document: Any) -> Any:
    return adapt(document, KERAS_2, KERAS_3)


def down(document: Any) -> Any:
    return adapt(document, KERAS_3, KERAS_2)


def layers_of(document: Any) -> dict[str, Any]:
    return {each["name"]: each for each in document["model"]["config"]["layers"]}


def one(each: dict[str, Any]) -> dict[str, Any]:
    """A form whose model is an input and one layer on it."""
    return form(model(entry(), {**each, "inbound_nodes": [[["x", 0, 0, {}]]]}, outputs=[[each["name"], 0, 0]]))


def tensor(name: str, call: int = 0) -> dict[str, Any]:
    config = {"shape": [None], "dtype": "float32", "keras_history": [name, call, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def test_every_adapter_says_since_when_and_where_it_is_from():
    assert adapters()
    for each in adapters():
        assert Version(each.SINCE), each
        assert each.SOURCE.startswith("https://"), each


@pytest.mark.parametrize(
    ("before", "after", "direction"),
    [
        (KERAS_2, KERAS_3, {"up"}),
        (KERAS_3, KERAS_2, {"down"}),
        ("2.11.0", "2.15.0", set()),
        ("3.13.2", "3.13.2", set()),
    ],
)
def test_only_what_changed_between_two_versions_acts(before, after, direction):
    assert {each for each, _ in path(before, after)} == direction


def test_adapters_act_in_the_opposite_order_on_the_way_back():
    there, back = path(KERAS_2, KERAS_3), path(KERAS_3, KERAS_2)
    assert [each.__name__ for _, each in there] == [each.__name__ for _, each in reversed(back)]


def test_what_is_given_is_not_changed():
    document = one(layer("LSTM", "lstm", units=2, time_major=False, implementation=2))
    before = copy.deepcopy(document)
    up(document)
    assert document == before


def test_inputs_are_named_by_their_batch_shape():
    config = layers_of(up(one(layer("Dense", "d", units=1))))["x"]["config"]
    assert config["batch_shape"] == [None, 4]
    assert not {"batch_input_shape", "ragged"} & set(config)
    assert layers_of(down(up(one(layer("Dense", "d", units=1)))))["x"]["config"]["batch_input_shape"] == [None, 4]


def test_a_ragged_input_is_refused_by_name():
    document = one(layer("Dense", "d", units=1))
    document["model"]["config"]["layers"][0]["config"]["ragged"] = True
    with pytest.raises(CannotAdaptError, match="input x is ragged") as raised:
        up(document)
    assert "Keras 2" in raised.value.fix


@pytest.mark.parametrize(
    ("class_name", "argument", "harmless", "telling"),
    [
        ("LSTM", "time_major", False, True),
        ("GRU", "time_major", False, True),
        ("DepthwiseConv2D", "groups", 1, 2),
        ("Conv2DTranspose", "groups", 1, 2),
        ("BatchNormalization", "renorm", False, True),
        ("BatchNormalization", "virtual_batch_size", None, 4),
    ],
)
def test_an_argument_that_is_gone_is_dropped_where_it_says_nothing_and_refused_else(
    class_name, argument, harmless, telling
):
    assert argument not in layers_of(up(one(layer(class_name, "it", **{argument: harmless}))))["it"]["config"]
    with pytest.raises(CannotAdaptError, match=f"{class_name} it has {argument}={telling}"):
        up(one(layer(class_name, "it", **{argument: telling})))


@pytest.mark.parametrize("way", [up, down])
def test_a_stateful_layer_is_refused_by_name(way):
    whole = one(layer("LSTM", "it", units=2, stateful=False))
    document = whole if way is up else up(whole)
    way(copy.deepcopy(document))
    layers_of(document)["it"]["config"]["stateful"] = True
    with pytest.raises(CannotAdaptError, match="LSTM it is stateful") as raised:
        way(document)
    assert "stateful=False" in raised.value.fix


def test_an_argument_of_keras_3_is_dropped_where_it_says_nothing_and_refused_else():
    document = up(one(layer("Dense", "d", units=1)))
    changed = copy.deepcopy(document)
    layers_of(document)["d"]["config"]["quantization_config"] = None
    assert "quantization_config" not in layers_of(down(document))["d"]["config"]
    layers_of(changed)["d"]["config"]["lora_rank"] = 4
    with pytest.raises(CannotAdaptError, match="lora_rank=4"):
        down(changed)


def test_the_axis_of_a_batch_normalization_is_a_number():
    assert layers_of(up(one(layer("BatchNormalization", "n", axis=[3]))))["n"]["config"]["axis"] == 3
    with pytest.raises(CannotAdaptError, match=r"axes \[1, 2\]"):
        up(one(layer("BatchNormalization", "n", axis=[1, 2])))


def test_the_slope_of_a_leaky_relu_keeps_its_value_under_its_other_name():
    there = up(one(layer("LeakyReLU", "a", alpha=0.3)))
    assert layers_of(there)["a"]["config"]["negative_slope"] == 0.3
    assert layers_of(down(there))["a"]["config"]["alpha"] == 0.3


@pytest.mark.parametrize("policy", ["Policy", "DTypePolicy"])
def test_a_dtype_policy_is_named(policy):
    document = one(layer("Dense", "d", units=1))
    layers_of(document)["d"]["config"]["dtype"] = {"class_name": policy, "config": {"name": "mixed_float16"}}
    assert layers_of(up(document))["d"]["config"]["dtype"] == "mixed_float16"


def test_a_call_with_named_tensors_there_and_back():
    node = [["x", 0, 0, {"value": ["x", 0, 0], "training": None}]]
    document = form(
        model(entry(), layer("MultiHeadAttention", "attention", [node], num_heads=1), outputs=[["attention", 0, 0]])
    )
    there = up(document)
    assert layers_of(there)["attention"]["inbound_nodes"] == [{"args": [tensor("x")], "kwargs": {"value": tensor("x")}}]
    assert layers_of(down(there))["attention"]["inbound_nodes"] == [[["x", 0, 0, {"value": ["x", 0, 0]}]]]


def test_initial_states_are_an_argument_of_their_own():
    node = [["x", 0, 0, {"initial_state": None, "constants": None}], ["h", 0, 0, {}], ["c", 0, 0, {}]]
    document = form(
        model(entry(), entry("h"), entry("c"), layer("LSTM", "lstm", [node], units=4), outputs=[["lstm", 0, 0]])
    )
    there = up(document)
    assert layers_of(there)["lstm"]["inbound_nodes"] == [
        {"args": [tensor("x")], "kwargs": {"initial_state": [tensor("h"), tensor("c")]}}
    ]
    back = layers_of(down(there))["lstm"]["inbound_nodes"]
    assert [item[:3] for item in back[0]] == [["x", 0, 0], ["h", 0, 0], ["c", 0, 0]]


@pytest.mark.parametrize(("kind", "output"), [("Functional", 2), ("Sequential", 1)])
def test_calls_of_a_nested_model_are_counted_as_each_version_counts(kind, output):
    inner = {**layer(kind, "inner"), "class_name": kind}
    inner["config"] = model(entry(), outputs=[["x", 0, 0]], name="inner")["config"]
    inner["inbound_nodes"] = [[["x", 0, 0, {}]], [["inner", 1, 0, {}]]]
    document = form(model(entry(), inner, layer("ReLU", "r", [[["inner", 1, 0, {}]]]), outputs=[["inner", 2, 0]]))
    there = up(document)
    assert layers_of(there)["r"]["inbound_nodes"] == [{"args": [tensor("inner", 0)], "kwargs": {}}]
    assert there["model"]["config"]["output_layers"] == [["inner", output, 0]]
    back = down(there)
    assert layers_of(back)["r"]["inbound_nodes"] == [[["inner", 1, 0, {}]]]
    assert back["model"]["config"]["output_layers"] == [["inner", 2, 0]]


def test_operators_become_operations_there_and_functions_back():
    node = ["_CONSTANT_VALUE", -1, 1.0, {"y": ["x", 0, 0], "name": None}]
    minus = layer("TFOpLambda", "tf.math.subtract", [node], function="math.subtract")
    total = layer("TFOpLambda", "total", [["tf.math.subtract", 0, 0, {"axis": 1}]], function="math.reduce_sum")
    there = up(form(model(entry(), minus, total, outputs=[["total", 0, 0]])))
    found = layers_of(there)
    assert found["tf.math.subtract"]["class_name"] == "Subtract"
    assert found["tf.math.subtract"]["inbound_nodes"] == [{"args": [1.0, tensor("x")], "kwargs": {}}]
    assert found["total"]["config"] == {"name": "total", "axis": 1}
    back = layers_of(down(there))
    assert back["total"]["config"]["function"] == "math.reduce_sum"
    assert back["total"]["inbound_nodes"] == [["tf.math.subtract", 0, 0, {"axis": 1}]]


def test_slices_there_and_back():
    whole, part = {"start": None, "stop": None, "step": None}, {"start": -1, "stop": None, "step": None}
    node = ["x", 0, 0, {"slice_spec": [whole, part]}]
    there = up(
        form(
            model(
                entry(),
                layer("SlicingOpLambda", "s", [node], function="__operators__.getitem"),
                outputs=[["s", 0, 0]],
            )
        )
    )
    key = layers_of(there)["s"]["inbound_nodes"][0]["args"][1]
    assert [each["config"] for each in key] == [whole, part]
    assert layers_of(down(there))["s"]["inbound_nodes"] == [["x", 0, 0, {"slice_spec": [whole, part]}]]


def test_a_function_without_an_operation_is_refused_by_name():
    strange = layer("TFOpLambda", "s", [["x", 0, 0, {}]], function="signal.rfft")
    with pytest.raises(CannotAdaptError, match=r"tf\.signal\.rfft"):
        up(form(model(entry(), strange, outputs=[["s", 0, 0]])))


def test_what_compile_was_given_keeps_its_meaning():
    compiled = {
        "optimizer": {
            "class_name": "SGD",
            "config": {"learning_rate": 0.1, "decay": 0.5, "jit_compile": False, "is_legacy_optimizer": False},
        },
        "loss": {"class_name": "Huber", "config": {"reduction": "auto", "delta": 2.0, "fn": "huber"}},
        "loss_weights": None,
        "metrics": ["huber_loss"],
        "weighted_metrics": None,
    }
    found = up(form(one(layer("Dense", "d", units=1))["model"], compiled))["compile"]
    assert found["loss"]["config"] == {"reduction": "sum_over_batch_size", "delta": 2.0}
    assert found["metrics"] == ["huber"]
    assert found["arguments"] == {"jit_compile": False}
    rate = found["optimizer"]["config"].pop("learning_rate")
    assert rate["class_name"] == "InverseTimeDecay"
    assert rate["config"] == {"initial_learning_rate": 0.1, "decay_steps": 1, "decay_rate": 0.5}
    assert found["optimizer"]["config"] == {}


def test_words_that_were_learned_are_no_argument_and_those_that_were_given_stay_one():
    learned = one(layer("StringLookup", "l", vocabulary=None))
    learned["assets"] = {"l": {"vocabulary": ["a"]}}
    assert layers_of(up(learned))["l"]["config"]["vocabulary"] is None
    assert layers_of(up(one(layer("StringLookup", "l", vocabulary=["a"]))))["l"]["config"]["vocabulary"] == ["a"]


@pytest.mark.parametrize(("class_name", "config"), [("StringLookup", {}), ("Discretization", {"output_mode": "int"})])
@pytest.mark.parametrize("way", [up, down])
def test_what_a_preprocessing_layer_computes_in_is_told_by_its_output_mode(way, class_name, config):
    document = one(layer(class_name, "l", **config))
    document = document if way is up else up(document)
    layers_of(document)["l"]["config"]["dtype"] = "float32"
    assert "dtype" not in layers_of(way(document))["l"]["config"]


@pytest.mark.parametrize(("before", "after"), [("3.4.1", "3.13.2"), ("3.13.2", "3.4.1")])
def test_the_dtype_of_numbered_bins_changed_within_keras_3(before, after):
    whole = form(model(layer("Discretization", "l", output_mode="int"), outputs=[["l", 0, 0]]))
    assert "dtype" not in layers_of(adapt(whole, before, after))["l"]["config"]
    assert "dtype" in layers_of(adapt(whole, "3.4.1", "3.11.0"))["l"]["config"]


def test_what_counts_into_bins_as_floats_keeps_its_dtype():
    document = one(layer("Discretization", "l", output_mode="one_hot"))
    assert layers_of(down(up(document)))["l"]["config"]["dtype"] == "float32"


def test_an_activation_is_named_as_each_version_names_it():
    document = one(layer("LSTM", "l", units=1, activation="swish", recurrent_activation="swish"))
    there = up(document)
    config = layers_of(there)["l"]["config"]
    assert (config["activation"], config["recurrent_activation"]) == ("silu", "silu")
    back = layers_of(down(there))["l"]["config"]
    assert (back["activation"], back["recurrent_activation"]) == ("swish", "swish")
    assert (
        layers_of(up(one(layer("Dense", "silu_like", units=1, activation="gelu"))))["silu_like"]["config"]["activation"]
        == "gelu"
    )


def compiled_with(class_name: str, **config: Any) -> dict[str, Any]:
    optimizer = {"class_name": class_name, "config": {"learning_rate": 0.1, **config}}
    return {"optimizer": optimizer, "loss": "mse", "loss_weights": None, "metrics": None, "weighted_metrics": None}


@pytest.mark.parametrize(("compiled", "is_given"), [(compiled_with("Adam"), 1), (compiled_with("SGD"), 0), (None, 0)])
def test_gradients_of_repeated_tokens_are_summed_where_the_optimizer_could_tell(compiled, is_given):
    document = {**one(layer("Embedding", "e", input_dim=4, output_dim=2)), "compile": compiled}
    config = layers_of(up(document))["e"]["config"]
    found = config.get("embeddings_regularizer")
    assert (found is not None) == is_given
    assert not found or found["config"] == {"l2": 0.0}


def test_a_regularizer_that_an_embedding_has_stays():
    own = {"class_name": "L1", "config": {"l1": 0.1}}
    document = one(layer("Embedding", "e", input_dim=4, output_dim=2, embeddings_regularizer=own))
    found = layers_of(up({**document, "compile": compiled_with("Adam")}))["e"]["config"]["embeddings_regularizer"]
    assert found["config"] == {"l1": 0.1}


def test_an_optimizer_is_of_the_generation_that_its_version_saves_whole():
    whole = one(layer("Dense", "d", units=1))["model"]

    def found(before: str, after: str, **config: Any) -> Any:
        return adapt(form(whole, compiled_with("Adam", **config)), before, after)["compile"]["optimizer"]["config"]

    assert found("2.5.0", "2.15.0", decay=0.0) == {"learning_rate": 0.1, "is_legacy_optimizer": False}
    assert found("2.5.0", "2.15.0", decay=0.5) == {"learning_rate": 0.1, "decay": 0.5}
    assert found("2.5.0", KERAS_3, decay=0.0) == {"learning_rate": 0.1}
    new = {"is_legacy_optimizer": False, "jit_compile": True, "use_ema": False, "clipvalue": None, "clipnorm": 1.0}
    assert found("2.15.0", "2.9.0", **new) == {"learning_rate": 0.1, "clipnorm": 1.0}
    with pytest.raises(CannotAdaptError, match="use_ema=True"):
        found("2.15.0", "2.9.0", use_ema=True)


def test_an_optimizer_that_keras_2_has_not_on_its_list_is_named_with_its_module():
    whole = one(layer("Dense", "d", units=1))["model"]
    found = down(form(whole, compiled_with("AdamW")))["compile"]["optimizer"]
    assert (found["module"], found["class_name"]) == ("keras.optimizers", "AdamW")
    assert "module" not in down(form(whole, compiled_with("Adam")))["compile"]["optimizer"]


def test_a_form_stays_json():
    document = one(layer("Dense", "d", units=1))
    assert json.loads(json.dumps(up(document))) == up(document)


def test_an_optimizer_is_never_taken_for_a_legacy_one_and_its_wrapper_for_one_of_those():
    inner = {"class_name": "Adam", "config": {"learning_rate": 0.1}}
    outer = {"class_name": "LossScaleOptimizer", "config": {"inner_optimizer": inner, "initial_scale": 8.0}}
    compiled = {"optimizer": outer, "loss": "mse", "loss_weights": None, "metrics": None, "weighted_metrics": None}
    found = down(form(one(layer("Dense", "d", units=1))["model"], compiled))["compile"]["optimizer"]
    assert found["class_name"] == "LossScaleOptimizerV3"
    assert "is_legacy_optimizer" not in found["config"]
    assert found["config"]["inner_optimizer"]["config"]["is_legacy_optimizer"] is False


@pytest.mark.parametrize(
    ("class_name", "argument", "before"),
    [
        ("Dense", {"quantization_config": None}, "3.13"),
        ("Dense", {"lora_alpha": None}, "3.10"),
        ("Conv2DTranspose", {"output_padding": None}, "3.11"),
        ("InputLayer", {"optional": False}, "3.4"),
        ("LSTM", {"use_cudnn": "auto"}, "3.1"),
        ("BatchNormalization", {"renorm": False, "renorm_momentum": 0.9}, "3.14"),
        ("MultiHeadAttention", {"sliding_window": None}, "3.15"),
    ],
)
def test_what_a_minor_of_keras_3_added_is_dropped_on_the_way_below_it_alone(class_name, argument, before):
    whole = {**form(model(layer(class_name, "a", **argument), outputs=[["a", 0, 0]])), "keras": "3.15.1"}
    major, minor = before.split(".")
    below, same = adapt(whole, "3.15.1", f"{major}.{int(minor) - 1}.0"), adapt(whole, "3.15.1", f"{before}.0")
    assert not argument.keys() & layers_of(below)["a"]["config"].keys()
    assert argument.keys() <= layers_of(same)["a"]["config"].keys()
    assert adapt(whole, f"{major}.{int(minor) - 1}.0", "3.15.1")["model"] == whole["model"]


def test_what_a_minor_of_keras_3_added_and_says_something_is_refused_below_it():
    whole = form(model(layer("Resizing", "a", antialias=True), outputs=[["a", 0, 0]]))
    with pytest.raises(CannotAdaptError, match=r"Resizing a has antialias=True, which Keras before 3\.9"):
        adapt(whole, "3.13.2", "3.4.1")


def test_an_optimizer_forgets_what_a_minor_added():
    optimizer = {"class_name": "Adam", "config": {"learning_rate": 0.1, "loss_scale_factor": None}}
    compiled = {"optimizer": optimizer, "loss": "mse", "loss_weights": None, "metrics": None, "weighted_metrics": None}
    found = adapt(form(model(layer("Dense", "a"), outputs=[["a", 0, 0]]), compiled), "3.4.1", "3.0.5")
    assert found["compile"]["optimizer"]["config"] == {"learning_rate": 0.1}


def trained(*layers: Any, outputs: Any, class_name: str = "Functional") -> dict[str, Any]:
    """A model of Keras 3 with Adam."""
    whole = model(entry(), *layers, outputs=outputs)
    return form({**whole, "class_name": class_name}, compiled_with("Adam"))


def calls(document: Any) -> list[tuple[str, str, Any]]:
    """The functions of a model: which, on what, with what."""
    found = [each for each in document["model"]["config"]["layers"] if each["class_name"] in ("TFOpLambda", "AddLoss")]
    return [
        (each["config"].get("function", each["class_name"]), node[0], {**node[3], "name": None})
        for each in found
        for node in (each["inbound_nodes"] if each["class_name"] == "TFOpLambda" else each["inbound_nodes"][0])
    ]


ON_X = [{"args": [tensor("x")], "kwargs": {}}]


def test_a_penalty_on_outputs_is_whole_again_where_keras_2_divides_it_by_the_batch():
    regularizer = {"class_name": "L2", "config": {"l2": 0.1}}
    document = trained(layer("Dense", "d", ON_X, units=2, activity_regularizer=regularizer), outputs=[["d", 0, 0]])
    assert [(function, on) for function, on, _ in calls(down(document))] == [
        ("math.square", "d"),
        ("math.reduce_sum", "d_activity_l2_0"),
        ("math.reduce_mean", "d_activity_l2_0"),
        ("math.reduce_sum", "d_activity_l2_2"),
        ("math.subtract", "d_activity_l2_1"),
        ("math.multiply", "d_activity_l2_4"),
        ("AddLoss", "d_activity_l2_5"),
    ]
    assert calls(down(document))[5][2]["y"] == 0.1
    assert layers_of(down(document))["d"]["config"]["activity_regularizer"] == regularizer
    assert limits(document, KERAS_3, KERAS_2) == ()


def test_a_penalty_is_not_whole_where_there_is_no_place_for_a_function_and_that_is_said():
    regularizer = {"class_name": "L2", "config": {"l2": 0.1}}
    document = trained(layer("Dense", "d", activity_regularizer=regularizer), outputs=None, class_name="Sequential")
    assert calls(down(document)) == []
    assert any("regularizer of d is divided" in said for said in limits(document, KERAS_3, KERAS_2))


def test_a_constant_that_a_layer_is_called_on_comes_from_a_function():
    state = {"class_name": "__tensor__", "config": {"value": [[0.5, 0.5]], "dtype": "float32"}}
    nodes = [{"args": [tensor("x")], "kwargs": {"initial_state": [state, tensor("x")]}}]
    document = trained(layer("LSTM", "lstm", nodes, units=2), outputs=[["lstm", 0, 0]])
    assert [(function, on) for function, on, _ in calls(down(document))] == [
        ("zeros_like", "x"),
        ("math.reduce_sum", "lstm_constant_0"),
        ("math.add", "lstm_constant_1"),
    ]
    assert calls(down(document))[2][2]["y"] == [[0.5, 0.5]]
    assert [each[:3] for each in layers_of(down(document))["lstm"]["inbound_nodes"][0]] == [
        ["x", 0, 0],
        ["lstm_constant_2", 0, 0],
        ["x", 0, 0],
    ]


def test_another_hard_sigmoid_is_functions_behind_the_layer():
    document = trained(
        layer("Dense", "d", ON_X, units=2, activation="hard_sigmoid"),
        layer("Dense", "e", [{"args": [tensor("d")], "kwargs": {}}], units=2),
        outputs=[["e", 0, 0], ["d", 0, 0]],
    )
    assert layers_of(down(document))["d"]["config"]["activation"] == "linear"
    assert [(function, on) for function, on, _ in calls(down(document))] == [
        ("math.add", "d"),
        ("nn.relu6", "d_hard_sigmoid_0"),
        ("math.multiply", "d_hard_sigmoid_1"),
    ]
    assert layers_of(down(document))["e"]["inbound_nodes"][0][0][:3] == ["d_hard_sigmoid_2", 0, 0]
    assert down(document)["model"]["config"]["output_layers"] == [["e", 0, 0], ["d_hard_sigmoid_2", 0, 0]]
    assert limits(document, KERAS_3, KERAS_2) == ()


def test_the_hard_sigmoid_of_keras_2_is_made_of_layers():
    config = layers_of(up(one(layer("LSTM", "lstm", units=2, recurrent_activation="hard_sigmoid"))))["lstm"]["config"]
    composed = config["recurrent_activation"]["config"]["layers"]
    assert [
        (each["class_name"], each["config"].get("scale"), each["config"].get("max_value")) for each in composed
    ] == [
        ("Rescaling", 0.2, None),
        ("ReLU", None, 1.0),
    ]
    whole = up(one(layer("Activation", "a", activation="hard_sigmoid")))
    assert layers_of(whole)["a"]["config"]["activation"]["class_name"] == "Sequential"
    assert layers_of(down(whole))["a"]["config"]["activation"] == "hard_sigmoid"


@pytest.mark.parametrize(
    ("class_name", "arguments"),
    [
        ("LSTM", {"recurrent_activation": "hard_sigmoid"}),
        ("LSTM", {"activation": "hard_sigmoid"}),
        ("Dense", {"activation": "hard_sigmoid", "activity_regularizer": {"class_name": "Mine", "config": {}}}),
    ],
)
def test_another_hard_sigmoid_where_nothing_can_be_behind_it_is_said(class_name, arguments):
    document = trained(layer(class_name, "it", ON_X, units=2, **arguments), outputs=[["it", 0, 0]])
    assert calls(down(document)) == []
    assert any("activation of it is hard_sigmoid" in each for each in limits(document, KERAS_3, KERAS_2))


@pytest.mark.parametrize(
    ("compiled", "said"),
    [
        (compiled_with("Adam"), "Adam of Keras 2 squares the sum of its gradients in e"),
        (compiled_with("SGD"), ""),
        (compiled_with("Nadam"), "Nadam of Keras 2 multiplies its product"),
        (
            compiled_with("LossScaleOptimizer", inner_optimizer={"class_name": "SGD", "config": {}}),
            "how many steps a loss scale has held",
        ),
    ],
)
def test_what_nothing_in_keras_2_does_as_keras_3_did_is_said(compiled, said):
    document = {**one(layer("Embedding", "e", input_dim=4, output_dim=2)), "compile": compiled}
    found = limits(document, KERAS_3, KERAS_2)
    assert any(said in each for each in found) if said else not found
    assert limits(document, KERAS_2, KERAS_3) == ()
